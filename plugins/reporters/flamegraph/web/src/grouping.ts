// What frames are shown as: themselves, or one box for all lines of a function, a file, or a module.

import type { Frame } from "../../../html_common/web/src/report";
import { moduleOf } from "../../../html_common/web/src/kinds";

export type GroupBy = "line" | "function" | "file" | "module";

export interface Grouping {
  by: GroupBy;
  frames: Frame[]; // one a group
  of: Uint32Array; // by frame of the report
}

export function grouping(frames: Frame[], by: GroupBy): Grouping {
  if (by === "line") return { by, frames, of: Uint32Array.from(frames, (_, i) => i) };
  const numbers = new Map<string, number>();
  const groups: Frame[] = [];
  const of = Uint32Array.from(frames, (frame) => {
    const key = frame.special ? `\n${frame.function}` : keyOf(frame, by);
    let number = numbers.get(key);
    if (number === undefined) {
      number = groups.length;
      numbers.set(key, number);
      groups.push(frame.special ? frame : groupOf(frame, by));
    }
    return number;
  });
  return { by, frames: groups, of };
}

function keyOf(frame: Frame, by: GroupBy): string {
  switch (by) {
    case "file":
      return frame.file === "" ? `\n\n${frame.function}` : frame.file;
    case "module":
      return moduleOf(frame);
    default:
      return `${frame.function}\n${frame.file}`;
  }
}

function groupOf(frame: Frame, by: GroupBy): Frame {
  const whole = { ...frame, line: 0, source: "" };
  if (by === "file" && frame.file !== "") return { ...whole, function: frame.file.slice(frame.file.lastIndexOf("/") + 1) };
  return by === "module" ? { ...whole, function: moduleOf(frame), whole: true } : whole;
}
