// What there is to know about one frame, beside the pointer and, in one line, at the bottom of the page.

import type { Frame } from "./data";
import { element, make } from "./dom";
import * as format from "./format";

export interface Facts {
  frame: Frame;
  bytes: number;
  count: number;
  totalBytes: number;
  totalCount: number;
  thread?: string;
}

const distance = 14; // from the pointer

export function describe(facts: Facts): string {
  const { frame } = facts;
  const parts = [
    frame.function,
    format.place(frame),
    `${format.bytes(facts.bytes)} (${format.percent(facts.bytes, facts.totalBytes)})`,
    format.allocations(facts.count),
  ];
  if (facts.thread) parts.push(facts.thread);
  return parts.filter((part) => part !== "").join(" · ");
}

export function showTooltip(facts: Facts, x: number, y: number): void {
  const { frame } = facts;
  const tooltip = element("tooltip");
  const name = make("p", frame.function, "name");
  const rows = make("dl");
  const row = (value: string, share: string) => rows.append(make("dt", value), make("dd", share));
  row(format.bytes(facts.bytes), format.percent(facts.bytes, facts.totalBytes));
  row(format.allocations(facts.count), format.percent(facts.count, facts.totalCount));
  const parts = [name];
  if (frame.file !== "") parts.push(make("p", format.place(frame), "place"));
  if (frame.special && frame.function === "(merged)") {
    parts.push(make("p", "Calls too small to be seen, taken together.", "place"));
  }
  if (facts.thread) parts.push(make("p", facts.thread, "place"));
  tooltip.replaceChildren(...parts, rows);
  tooltip.hidden = false;

  const { offsetWidth: width, offsetHeight: height } = tooltip;
  const left = x + distance + width <= innerWidth ? x + distance : Math.max(4, x - distance - width);
  const top = y + distance + height <= innerHeight ? y + distance : Math.max(4, y - distance - height);
  tooltip.style.left = `${left}px`;
  tooltip.style.top = `${top}px`;
}

export function hideTooltip(): void {
  element("tooltip").hidden = true;
}
