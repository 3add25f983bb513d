// Memory over time: resident set size and heap of the whole recording.

import type { MemoryCurve } from "./data";
import * as format from "./format";

export interface ChartColours {
  rss: string;
  heap: string;
  heapFill: string;
  text: string;
  grid: string;
  background: string;
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

export function highest(values: number[]): number {
  return values.reduce((most, value) => Math.max(most, value), 0);
}

export interface ChartOptions {
  axes: boolean;
  peak?: number; // the moment that the report shows, in milliseconds
  at?: number; // the sample under the pointer
}

export function paintChart(
  canvas: HTMLCanvasElement,
  curve: MemoryCurve,
  colours: ChartColours,
  options: ChartOptions,
): void {
  const ratio = window.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d")!;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);

  const margin = options.axes ? { left: 70, right: 12, top: 10, bottom: 26 } : { left: 0, right: 0, top: 3, bottom: 1 };
  const lastTime = Math.max(curve.time[curve.time.length - 1] ?? 0, 1);
  const most = Math.max(highest(curve.rss), highest(curve.heap), 1);
  const x = (time: number) => margin.left + (time / lastTime) * (width - margin.left - margin.right);
  const y = (value: number) => height - margin.bottom - (value / most) * (height - margin.top - margin.bottom);

  if (options.axes) {
    context.font = "12px system-ui, sans-serif";
    context.fillStyle = colours.text;
    context.strokeStyle = colours.grid;
    context.lineWidth = 1;
    context.textBaseline = "middle";
    context.textAlign = "right";
    for (const value of ticks(most, 5).values) {
      const line = Math.round(y(value)) + 0.5;
      context.beginPath();
      context.moveTo(margin.left, line);
      context.lineTo(width - margin.right, line);
      context.stroke();
      context.fillText(format.bytes(value).replace(".0 ", " "), margin.left - 8, line);
    }
    context.textBaseline = "alphabetic";
    context.textAlign = "center";
    for (const time of ticks(lastTime, 6).values) {
      if (x(time) < width - 30) context.fillText(time === 0 ? "0" : format.duration(time), x(time), height - 6);
    }
  }

  const trace = (values: number[]) => {
    context.beginPath();
    values.forEach((value, i) => context.lineTo(x(curve.time[i]), y(value)));
  };
  trace(curve.heap);
  context.lineTo(x(lastTime), y(0));
  context.lineTo(x(curve.time[0] ?? 0), y(0));
  context.closePath();
  context.fillStyle = colours.heapFill;
  context.fill();

  context.lineWidth = 1.5;
  context.lineJoin = "round";
  context.strokeStyle = colours.heap;
  trace(curve.heap);
  context.stroke();
  context.strokeStyle = colours.rss;
  trace(curve.rss);
  context.stroke();

  context.strokeStyle = colours.text;
  context.lineWidth = 1;
  const rule = (time: number) => {
    const at = Math.round(x(time)) + 0.5;
    context.beginPath();
    context.moveTo(at, margin.top);
    context.lineTo(at, height - margin.bottom);
    context.stroke();
  };
  if (options.at !== undefined) rule(curve.time[options.at]);
  if (options.peak !== undefined) {
    context.setLineDash([3, 3]);
    rule(Math.min(options.peak, lastTime));
  }
}

// The sample under the pointer.
export function sampleUnder(canvas: HTMLCanvasElement, curve: MemoryCurve, clientX: number, axes: boolean): number {
  const area = canvas.getBoundingClientRect();
  const left = axes ? 70 : 0;
  const right = axes ? 12 : 0;
  const lastTime = curve.time[curve.time.length - 1] ?? 0;
  return sampleAt(curve, ((clientX - area.left - left) / (area.width - left - right)) * lastTime);
}
