// What there is to know about one box, beside the pointer and, in one line, at the bottom of the page.

import { element, make } from "../../../html_common/web/src/dom";
import * as format from "../../../html_common/web/src/format";
import type { Frame } from "../../../html_common/web/src/report";

export interface Facts {
  frame: Frame;
  figures: [value: string, share: string][];
  thread?: string;
}

const distance = 14; // from the pointer

export function describe({ frame, figures, thread }: Facts): string {
  const parts = [frame.function, format.place(frame), ...figures.map(([value, share]) => (share === "" ? value : `${value} (${share})`)), thread ?? ""];
  return parts.filter((part) => part !== "").join(" · ");
}

export function showTooltip({ frame, figures, thread }: Facts, x: number, y: number): void {
  const tooltip = element("tooltip");
  const parts = [make("p", frame.function, "name")];
  if (frame.file !== "" && frame.file !== frame.function) parts.push(make("p", format.place(frame), "place"));
  if (frame.source !== "") parts.push(make("p", frame.source, "code"));
  if (frame.special && frame.function === "(merged)") {
    parts.push(make("p", "Calls too small to be seen, taken together.", "place"));
  }
  if (thread) parts.push(make("p", thread, "place"));
  const rows = make("dl");
  for (const [value, share] of figures) rows.append(make("dt", value), make("dd", share));
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
