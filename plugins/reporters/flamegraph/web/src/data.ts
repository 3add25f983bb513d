// What the report's JSON holds, as written by page.cc, and the same with its columns unpacked.

import type { Chrome, PackedFrames } from "../../../html_common/web/src/report";
import { unpack, unpackSigned } from "../../../html_common/web/src/unpack";

export interface PackedTree {
  rise: string;
  frame: string;
  bytes?: string; // these two, or intervals
  count?: string;
  bytesBefore?: string; // of a difference
  countBefore?: string;
  thread?: string;
  merged: number;
  limit: number; // millionths
  intervals?: { node: string; from: string; length: string; bytes: string; count: string };
}

export interface Report extends PackedFrames {
  chrome: Chrome;
  inverted: boolean;
  difference: boolean;
  sourceLink: string;
  tree: PackedTree;
  withoutImports?: PackedTree;
  functions: { frame: string; own: string; total: string; count: string };
  threads: string[];
  temporal?: { kind: "peak" | "leaks"; borders: string; highWater: string };
}

export type Metric = "bytes" | "count";
export type Weights = Record<string, Float64Array>;

// Nodes in preorder, node 0 is the root: a node's children follow it, one level deeper.
export interface RawTree {
  size: number;
  depth: Uint32Array;
  parent: Uint32Array;
  frame: Float64Array;
  thread?: Float64Array;
  own: Weights; // what a node holds besides its children
  merged: number;
  limit: number;
  intervals?: Intervals;
}

// From slot `from` up to but without slot `to`, `node` held so much more.
export interface Intervals {
  node: Float64Array;
  from: Float64Array;
  to: Float64Array;
  bytes: Float64Array;
  count: Float64Array;
}

function sumUp(steps: Float64Array): Float64Array {
  for (let i = 1; i < steps.length; ++i) steps[i] += steps[i - 1];
  return steps;
}

function unpackIntervals({ intervals }: PackedTree): Intervals | undefined {
  if (!intervals) return undefined;
  const from = unpack(intervals.from);
  return {
    node: sumUp(unpack(intervals.node)),
    from,
    to: unpack(intervals.length).map((length, i) => from[i] + length),
    bytes: unpack(intervals.bytes),
    count: unpackSigned(intervals.count),
  };
}

// Time in slots: slot i is between edges i and i + 1.
export interface Slots {
  kind: "peak" | "leaks";
  edges: number[]; // milliseconds
  highWater: Float64Array;
}

export function slotsOf({ temporal, chrome }: Report): Slots | undefined {
  if (!temporal) return undefined;
  const borders = sumUp(unpack(temporal.borders)).map((microseconds) => microseconds / 1000);
  const end = Math.max(chrome.duration, borders[borders.length - 1] ?? 0);
  return { kind: temporal.kind, edges: [0, ...borders, end], highWater: unpack(temporal.highWater) };
}

export function unpackTree(packed: PackedTree): RawTree {
  const frame = unpack(packed.frame);
  const size = frame.length;
  const depth = new Uint32Array(size);
  const parent = new Uint32Array(size);
  const path: number[] = [];
  const own: Weights = { bytes: unpack(packed.bytes ?? ""), count: unpack(packed.count ?? "") };
  if (packed.bytesBefore !== undefined) own.bytesBefore = unpack(packed.bytesBefore);
  if (packed.countBefore !== undefined) own.countBefore = unpack(packed.countBefore);
  unpack(packed.rise).forEach((rise, i) => {
    path.length -= rise;
    depth[i] = path.length;
    parent[i] = path.length > 0 ? path[path.length - 1] : 0;
    path.push(i);
  });
  return {
    size, depth, parent, frame,
    thread: packed.thread === undefined ? undefined : unpack(packed.thread),
    own,
    merged: packed.merged,
    limit: packed.limit / 1e6,
    intervals: unpackIntervals(packed),
  };
}

// A function's sums in the whole snapshot, by any frame of it.
export interface FunctionSums {
  own: number;
  total: number;
  count: number;
}

export function functionSums({ functions }: Report): Map<number, FunctionSums> {
  const [frame, own, total, count] = [functions.frame, functions.own, functions.total, functions.count].map(unpack);
  return new Map(Array.from(frame, (number, i) => [number, { own: own[i], total: total[i], count: count[i] }]));
}
