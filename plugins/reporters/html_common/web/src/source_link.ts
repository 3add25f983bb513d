// From a box to its line in an editor.

import { element } from "./dom";
import * as format from "./format";
import type { Frame } from "./report";

export function sourceAddress(template: string, frame: Frame): string | undefined {
  if (template === "" || !frame.file.startsWith("/") || frame.line === 0) return undefined;
  const file = frame.file.split("/").map(encodeURIComponent).join("/");
  return template.replace("{file}", () => file).replace("{line}", String(frame.line));
}

export function fillSourceLink(template: string, frame: Frame | undefined): void {
  const link = element<HTMLAnchorElement>("source");
  const address = frame && sourceAddress(template, frame);
  link.hidden = !address;
  if (!frame || !address) return;
  link.href = address;
  link.textContent = `Open ${format.place(frame, format.baseName(frame.file))}`;
}
