// What the report's JSON holds, as written by page.cc.

export type Metric = "bytes" | "count";

// Nodes in preorder, node 0 is the root: a node's children follow it, one level deeper.
export interface RawTree {
  depth: number[];
  frame: number[];
  bytes: number[];
  count: number[];
  thread?: number[];
  merged: number;
}

export interface Fact {
  label: string;
  unit: "text" | "count" | "bytes" | "milliseconds" | "epoch";
  value: string | number;
}

export interface MemoryCurve {
  time: number[]; // milliseconds
  rss: number[];
  heap: number[];
}

export interface Report {
  title: string;
  leaks: boolean;
  inverted: boolean;
  tree: RawTree;
  withoutImports?: RawTree;
  frames: {
    function: number[];
    file: number[];
    line: number[];
    native: number[];
    special: number[];
  };
  strings: string[];
  threads: string[];
  memory: MemoryCurve;
  notes: string[];
  facts: Fact[];
}

export interface Frame {
  function: string;
  file: string;
  line: number;
  native: boolean;
  special: boolean; // stands for no function: the root, or what was merged
}

export function framesOf(report: Report): Frame[] {
  const { frames, strings } = report;
  return frames.function.map((name, i) => ({
    function: strings[name],
    file: strings[frames.file[i]],
    line: frames.line[i],
    native: frames.native[i] === 1,
    special: frames.special[i] === 1,
  }));
}
