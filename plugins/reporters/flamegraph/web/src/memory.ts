// The strip with memory over time under the heading, and the large chart that it opens.

import { paintChart, sampleUnder } from "./chart";
import type { ChartColours } from "./chart";
import type { MemoryCurve, Report } from "./data";
import { element, make } from "./dom";
import * as format from "./format";
import { cssColour } from "./theme";

function colours(): ChartColours {
  return {
    rss: cssColour("rss"),
    heap: cssColour("heap"),
    heapFill: cssColour("heap-fill"),
    text: cssColour("dim"),
    grid: cssColour("line"),
    background: cssColour("background"),
  };
}

function legend(curve: MemoryCurve, at: number | undefined): HTMLElement[] {
  const entry = (name: string, values: number[]) => {
    const item = make("span");
    const swatch = make("span", "", "swatch");
    swatch.style.background = cssColour(name === "RSS" ? "rss" : "heap");
    const value = at === undefined ? values.reduce((most, each) => Math.max(most, each), 0) : values[at];
    item.append(swatch, `${name} ${format.bytes(value)}`);
    return item;
  };
  const moment = at === undefined ? "highest" : `at ${format.duration(curve.time[at])}`;
  return [entry("RSS", curve.rss), entry("Heap", curve.heap), make("span", moment)];
}

// Returns what repaints both charts.
export function setUpMemory(report: Report): () => void {
  const curve = report.memory;
  const strip = element("memory");
  if (curve.time.length < 2) {
    strip.hidden = true;
    return () => undefined;
  }
  const small = element<HTMLCanvasElement>("memory-chart");
  const large = element<HTMLCanvasElement>("memory-large");
  const dialog = element<HTMLDialogElement>("memory-dialog");
  const peak = report.facts.find((fact) => fact.label === "Time of the peak")?.value as number | undefined;
  let at: number | undefined;

  const paint = () => {
    paintChart(small, curve, colours(), { axes: false, peak, at });
    if (dialog.open) paintChart(large, curve, colours(), { axes: true, peak, at });
    element("memory-legend").replaceChildren(...legend(curve, at));
    if (dialog.open) element("memory-large-legend").replaceChildren(...legend(curve, at));
  };
  for (const canvas of [small, large]) {
    canvas.addEventListener("pointermove", (event) => {
      at = sampleUnder(canvas, curve, event.clientX, canvas === large);
      paint();
    });
    canvas.addEventListener("pointerleave", () => {
      at = undefined;
      paint();
    });
  }
  const open = () => {
    dialog.showModal();
    paint();
  };
  element("memory-button").addEventListener("click", open);
  small.addEventListener("click", open);
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  new ResizeObserver(paint).observe(small);
  return paint;
}
