// Memory over time: resident set size and heap of the whole recording.

import * as format from "./format";
import type { MemoryCurve } from "./report";

export interface ChartColours {
  rss: string;
  heap: string;
  heapFill: string;
  text: string;
  grid: string;
  background: string;
  chosen: string;
}

export interface Ticks {
  step: number;
  values: number[];
}

// Round values (1, 2 or 5 times a power of ten) up to `highest`, about `wanted` of them.
export function ticks(highest: number, wanted: number): Ticks {
  if (highest <= 0) return { step: 1, values: [0] };
  const rough = highest / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough)!;
  const values = [];
  for (let i = 0; i * step <= highest * 1.0001; ++i) values.push(i * step);
  return { step, values };
}

// The last sample at or before a moment.
export function sampleAt(curve: MemoryCurve, time: number): number {
  let low = 0;
  let high = curve.time.length;
  while (low + 1 < high) {
    const middle = (low + high) >> 1;
    if (curve.time[middle] <= time) low = middle;
    else high = middle;
  }
  return low;
}

export function highest(values: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < values.length; ++i) most = Math.max(most, values[i]);
  return most;
}

export interface Span {
  from: number; // milliseconds
  to: number;
}

export interface ChartOptions {
  axes: boolean;
  end: number; // of the recording, milliseconds
  peak?: number; // the moment that the report shows
  at?: number; // the sample under the pointer
  chosen?: Span; // what lies outside is dimmed
  shaded?: Span;
}

interface Scale {
  x(time: number): number;
  y(value: number): number;
  time(x: number): number;
  left: number;
  right: number;
  top: number;
  bottom: number;
}

function scaleOf(canvas: HTMLCanvasElement, curve: MemoryCurve, { axes, end }: ChartOptions): Scale {
  const { clientWidth: width, clientHeight: height } = canvas;
  const [left, right, top, bottom] = axes ? [70, width - 12, 10, height - 26] : [0, width, 3, height - 1];
  const lastTime = Math.max(curve.time[curve.time.length - 1] ?? 0, end, 1);
  const most = Math.max(highest(curve.rss), highest(curve.heap), 1);
  return {
    x: (time) => left + (Math.min(time, lastTime) / lastTime) * (right - left),
    y: (value) => bottom - (value / most) * (bottom - top),
    time: (x) => Math.min(Math.max((x - left) / (right - left), 0), 1) * lastTime,
    left, right, top, bottom,
  };
}

function paintAxes(context: CanvasRenderingContext2D, curve: MemoryCurve, colours: ChartColours, scale: Scale, end: number): void {
  context.font = "12px system-ui, sans-serif";
  context.fillStyle = colours.text;
  context.strokeStyle = colours.grid;
  context.lineWidth = 1;
  context.textBaseline = "middle";
  context.textAlign = "right";
  for (const value of ticks(Math.max(highest(curve.rss), highest(curve.heap), 1), 5).values) {
    const line = Math.round(scale.y(value)) + 0.5;
    context.beginPath();
    context.moveTo(scale.left, line);
    context.lineTo(scale.right, line);
    context.stroke();
    context.fillText(format.bytes(value).replace(".0 ", " "), scale.left - 8, line);
  }
  context.textBaseline = "alphabetic";
  context.textAlign = "center";
  for (const time of ticks(end, 6).values) {
    if (scale.x(time) < scale.right - 18) context.fillText(time === 0 ? "0" : format.duration(time), scale.x(time), scale.bottom + 20);
  }
}

function paintCurves(context: CanvasRenderingContext2D, curve: MemoryCurve, colours: ChartColours, scale: Scale): void {
  const trace = (values: ArrayLike<number>) => {
    context.beginPath();
    for (let i = 0; i < values.length; ++i) context.lineTo(scale.x(curve.time[i]), scale.y(values[i]));
  };
  const last = curve.time.length - 1;
  trace(curve.heap);
  context.lineTo(scale.x(curve.time[last] ?? 0), scale.y(0));
  context.lineTo(scale.x(curve.time[0] ?? 0), scale.y(0));
  context.closePath();
  context.fillStyle = colours.heapFill;
  context.fill();
  context.lineWidth = 1.5;
  context.lineJoin = "round";
  for (const [values, colour] of [[curve.heap, colours.heap], [curve.rss, colours.rss]] as const) {
    context.strokeStyle = colour;
    trace(values);
    context.stroke();
  }
}

export function paintChart(canvas: HTMLCanvasElement, curve: MemoryCurve, colours: ChartColours, options: ChartOptions): void {
  const ratio = window.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d")!;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);

  const scale = scaleOf(canvas, curve, options);
  if (options.axes) paintAxes(context, curve, colours, scale, scale.time(scale.right));
  if (options.shaded) {
    const [from, to] = [scale.x(options.shaded.from), scale.x(options.shaded.to)];
    context.fillStyle = colours.chosen;
    context.globalAlpha = 0.35;
    context.fillRect(from, scale.top, Math.max(to - from, 2), scale.bottom - scale.top);
    context.globalAlpha = 1;
  }
  paintCurves(context, curve, colours, scale);
  if (options.chosen) {
    context.fillStyle = colours.background;
    context.globalAlpha = 0.72;
    const [from, to] = [scale.x(options.chosen.from), scale.x(options.chosen.to)];
    context.fillRect(scale.left, 0, from - scale.left, scale.bottom);
    context.fillRect(to, 0, scale.right - to, scale.bottom);
    context.globalAlpha = 1;
  }

  context.strokeStyle = colours.text;
  context.lineWidth = 1;
  const rule = (time: number) => {
    const at = Math.round(scale.x(time)) + 0.5;
    context.beginPath();
    context.moveTo(at, scale.top);
    context.lineTo(at, scale.bottom);
    context.stroke();
  };
  if (options.at !== undefined) rule(curve.time[options.at]);
  if (options.peak !== undefined) {
    context.setLineDash([3, 3]);
    rule(options.peak);
  }
}

// The moment under the pointer.
export function timeUnder(canvas: HTMLCanvasElement, curve: MemoryCurve, clientX: number, options: ChartOptions): number {
  return scaleOf(canvas, curve, options).time(clientX - canvas.getBoundingClientRect().left);
}

// Where a moment is, in pixels from the left.
export function positionOf(canvas: HTMLCanvasElement, curve: MemoryCurve, time: number, options: ChartOptions): number {
  return scaleOf(canvas, curve, options).x(time);
}
