// The strip with memory over time under the heading, and the large chart that it opens.

import { highest, paintChart, positionOf, sampleAt, timeUnder } from "./chart";
import type { ChartColours, ChartOptions } from "./chart";
import { element, make } from "./dom";
import * as format from "./format";
import { memoryOf } from "./report";
import type { Chrome, MemoryCurve } from "./report";
import { cssColour } from "./theme";

export function chartColours(): ChartColours {
  return {
    rss: cssColour("rss"),
    heap: cssColour("heap"),
    heapFill: cssColour("heap-fill"),
    text: cssColour("dim"),
    grid: cssColour("line"),
    background: cssColour("panel"),
    chosen: cssColour("accent"),
  };
}

function legend(curve: MemoryCurve, at: number | undefined): HTMLElement[] {
  const entry = (name: string, values: ArrayLike<number>) => {
    const item = make("span");
    const swatch = make("span", "", "swatch");
    swatch.style.background = cssColour(name === "RSS" ? "rss" : "heap");
    item.append(swatch, `${name} ${format.bytes(at === undefined ? highest(values) : values[at])}`);
    return item;
  };
  const moment = at === undefined ? "highest" : `at ${format.duration(curve.time[at])}`;
  return [entry("RSS", curve.rss), entry("Heap", curve.heap), make("span", moment)];
}

// One line a sample and trace, as other tools write and read it.
export function csvOf(curve: MemoryCurve, start: number): string {
  const lines = ["trace,timestamp,memory_size_bytes"];
  for (const [trace, values] of [["Resident size", curve.rss], ["Heap size", curve.heap]] as const) {
    for (let i = 0; i < values.length; ++i) lines.push(`${trace},${new Date(start + curve.time[i]).toISOString()},${values[i]}`);
  }
  return `${lines.join("\n")}\n`;
}

function download(name: string, text: string): void {
  const link = make("a") as HTMLAnchorElement;
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

export interface MemoryPanel {
  strip: HTMLElement;
  canvas: HTMLCanvasElement;
  repaint(): void;
  update(chrome: Chrome): void; // of a recording that has gone on
  mark(options: Partial<ChartOptions>): void; // what the charts show besides the curves
  timeAt(clientX: number): number; // on the small chart
  positionOf(time: number): number; // in pixels from its left
}

function marksOf({ view, shownAt }: Chrome): Partial<ChartOptions> {
  return { peak: view === "peak" ? shownAt : undefined };
}

export function setUpMemory(chrome: Chrome): MemoryPanel {
  let curve = memoryOf(chrome);
  const strip = element("memory");
  const small = element<HTMLCanvasElement>("memory-chart");
  const large = element<HTMLCanvasElement>("memory-large");
  const dialog = element<HTMLDialogElement>("memory-dialog");
  let marks = marksOf(chrome);
  let at: number | undefined;

  const options = (canvas: HTMLCanvasElement): ChartOptions => ({
    axes: canvas === large || strip.classList.contains("tall"),
    end: chrome.duration,
    at,
    ...marks,
  });
  const repaint = () => {
    strip.hidden = curve.time.length < 2;
    element("memory-button").hidden = strip.hidden;
    if (strip.hidden) return;
    paintChart(small, curve, chartColours(), options(small));
    element("memory-legend").replaceChildren(...legend(curve, at));
    if (!dialog.open) return;
    paintChart(large, curve, chartColours(), options(large));
    element("memory-large-legend").replaceChildren(...legend(curve, at));
  };
  for (const canvas of [small, large]) {
    canvas.addEventListener("pointermove", (event) => {
      if (curve.time.length === 0) return;
      at = sampleAt(curve, timeUnder(canvas, curve, event.clientX, options(canvas)));
      repaint();
    });
    canvas.addEventListener("pointerleave", () => {
      at = undefined;
      repaint();
    });
  }
  element("memory-button").addEventListener("click", () => {
    dialog.showModal();
    repaint();
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  const start = Number(chrome.facts.find((fact) => fact.unit === "epoch")?.value ?? 0);
  element("memory-csv").addEventListener("click", () => download("usage_over_time.csv", csvOf(curve, start)));
  new ResizeObserver(repaint).observe(small);
  repaint();
  return {
    strip,
    canvas: small,
    repaint,
    update: (now) => {
      chrome = now;
      curve = memoryOf(now);
      marks = { ...marks, ...marksOf(now) };
      if (at !== undefined) at = Math.min(at, curve.time.length - 1);
      repaint();
    },
    timeAt: (clientX) => timeUnder(small, curve, clientX, options(small)),
    positionOf: (time) => positionOf(small, curve, time, options(small)),
    mark: (changed) => {
      marks = { ...marks, ...changed };
      repaint();
    },
  };
}
