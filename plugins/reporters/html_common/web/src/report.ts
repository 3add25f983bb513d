// What every report's JSON holds, as written by chrome.cc and frame_list.cc.

import type { Live } from "./live";
import { unpack } from "./unpack";

export interface Fact {
  label: string;
  unit: "text" | "count" | "bytes" | "milliseconds" | "epoch";
  value: string | number;
}

export interface MemoryCurve {
  time: ArrayLike<number>; // milliseconds
  rss: ArrayLike<number>;
  heap: ArrayLike<number>;
}

export interface Chrome {
  title: string;
  view: "peak" | "leaks" | "temporary";
  command: string;
  allocator: string; // Python's
  tracesPython: boolean;
  duration: number; // milliseconds
  shownAt: number; // milliseconds: the peak
  notes: string[];
  facts: Fact[];
  memory: { time: string; rss: string; heap: string };
  live?: Live; // of a page that follows a recording
}

// What a frame does for whoever reads the stack, in the order of core's FrameRole.
const roles = ["ordinary", "interpreter", "imports", "launcher"] as const;
export type Role = (typeof roles)[number];

export interface Frame {
  function: string;
  file: string;
  line: number; // 0: not known, or of more than one line
  native: boolean;
  special: boolean; // stands for no function: the root, or what was merged
  role: Role;
  source: string; // the line itself
  whole?: boolean; // stands for more than its file
}

export interface PackedFrames {
  frames: { function: string; file: string; line: string; kind: string; role: string; source: string };
  strings: string[];
}

export function readReport<Report>(): Report {
  return JSON.parse(document.getElementById("data")!.textContent!) as Report;
}

export function memoryOf({ memory }: Chrome): MemoryCurve {
  const time = unpack(memory.time);
  for (let i = 1; i < time.length; ++i) time[i] += time[i - 1];
  return { time, rss: unpack(memory.rss), heap: unpack(memory.heap) };
}

export function framesOf({ frames, strings }: PackedFrames): Frame[] {
  const columns = [frames.function, frames.file, frames.line, frames.kind, frames.role, frames.source];
  const [names, files, lines, kinds, roleNumbers, sources] = columns.map(unpack);
  return Array.from(names, (name, i) => ({
    function: strings[name],
    file: strings[files[i]],
    line: lines[i],
    native: kinds[i] === 1,
    special: kinds[i] === 2,
    role: roles[roleNumbers[i]],
    source: strings[sources[i]],
  }));
}
