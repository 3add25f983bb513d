// The tree that is on screen.
//
// A report's nodes are only its raw material. What is hidden, grouped, filtered or turned around gives another tree, and
// all of these are made in the same way: every raw node is sent to a node of the new tree, which is the raw node's
// parent's (to hide it), a child of that (to show it), or none, and takes what it holds itself along. So nothing that is
// shown is ever counted twice or lost.
//
// Nodes are in preorder, so the subtree of node i is the range [i, end[i]), and everything that looks at all nodes is one
// loop without recursion, however deep the stacks are.

import type { RawTree, Weights } from "./data";

export interface Tree {
  size: number;
  id: Uint32Array; // number of the first raw node that came here, by which the address bar names it
  depth: Uint32Array;
  parent: Uint32Array;
  end: Uint32Array;
  frame: Uint32Array;
  thread: Uint32Array;
  values: Weights; // inclusive
}

export interface Filter {
  thread?: number; // only this one
  hides?: (frame: number) => boolean; // with everything below
  skips?: (frame: number) => boolean; // alone: its callees move up
  groupOf?: ArrayLike<number>; // what a frame is shown as; equal ones become one
  joins?: boolean; // a caller and a callee that are shown as the same thing, too
}

export class TreeMaker {
  readonly frame: number[] = [];
  private readonly parent: number[] = [];
  private readonly id: number[] = [];
  private readonly thread: number[] = [];
  private readonly children = new Map<number, number>();
  private readonly sums: Record<string, number[]> = {};

  constructor(private readonly weights: Weights, rootFrame: number) {
    for (const metric in weights) this.sums[metric] = [];
    this.append(0, rootFrame, 0, 0);
  }

  child(parent: number, frame: number, thread: number, id: number): number {
    const key = (parent * 0x40000 + frame) * 0x10000 + Math.min(thread, 0xffff);
    const known = this.children.get(key);
    if (known !== undefined) return known;
    const made = this.append(parent, frame, thread, id);
    this.children.set(key, made);
    return made;
  }

  private append(parent: number, frame: number, thread: number, id: number): number {
    const made = this.frame.length;
    this.parent.push(parent);
    this.frame.push(frame);
    this.thread.push(thread);
    this.id.push(id);
    for (const metric in this.sums) this.sums[metric].push(0);
    return made;
  }

  // What raw node `from` holds itself, or with its callees, depending on the weights.
  add(node: number, from: number): void {
    for (const metric in this.sums) this.sums[metric][node] += this.weights[metric][from];
  }

  // In preorder, the largest sibling first, without nodes that hold nothing.
  finish(): { tree: Tree; placeOf: Int32Array } {
    const size = this.frame.length;
    for (let i = size - 1; i > 0; --i) {
      for (const metric in this.sums) this.sums[metric][this.parent[i]] += this.sums[metric][i];
    }
    const { first, children } = this.sortedChildren();

    const order: number[] = [];
    const depth: number[] = [];
    const pending: [node: number, depth: number][] = [[0, 0]];
    while (pending.length > 0) {
      const [node, level] = pending.pop()!;
      order.push(node);
      depth.push(level);
      for (let i = first[node + 1]; i-- > first[node]; ) pending.push([children[i], level + 1]);
    }
    const placeOf = new Int32Array(size).fill(-1);
    order.forEach((node, i) => (placeOf[node] = i));
    for (let i = 1; i < size; ++i) if (placeOf[i] < 0) placeOf[i] = placeOf[this.parent[i]];

    const pick = (column: number[]) => Uint32Array.from(order, (node) => column[node]);
    const tree: Tree = {
      size: order.length,
      id: pick(this.id),
      depth: Uint32Array.from(depth),
      parent: Uint32Array.from(order, (node) => placeOf[this.parent[node]]),
      end: endsOf(depth),
      frame: pick(this.frame),
      thread: pick(this.thread),
      values: {},
    };
    for (const metric in this.sums) tree.values[metric] = Float64Array.from(order, (node) => this.sums[metric][node]);
    return { tree, placeOf };
  }

  private sortedChildren(): { first: Uint32Array; children: number[] } {
    const size = this.frame.length;
    const metrics = Object.values(this.sums);
    const shown = (node: number) => metrics.some((values) => values[node] !== 0);
    const first = new Uint32Array(size + 2);
    for (let i = 1; i < size; ++i) if (shown(i)) ++first[this.parent[i] + 2];
    for (let i = 1; i < first.length; ++i) first[i] += first[i - 1];
    const children = new Array<number>(first[size + 1]);
    for (let i = 1; i < size; ++i) if (shown(i)) children[first[this.parent[i] + 1]++] = i;

    const most = metrics[0];
    for (let i = 0; i < size; ++i) {
      const count = first[i + 1] - first[i];
      if (count < 2) continue;
      const sorted = children.slice(first[i], first[i + 1]).sort((a, b) => most[b] - most[a] || a - b);
      for (let j = 0; j < count; ++j) children[first[i] + j] = sorted[j];
    }
    return { first, children };
  }
}

function endsOf(depth: number[]): Uint32Array {
  const end = new Uint32Array(depth.length);
  const path: number[] = [];
  depth.forEach((level, i) => {
    while (path.length > level) end[path.pop()!] = i;
    path.push(i);
  });
  while (path.length > 0) end[path.pop()!] = depth.length;
  return end;
}

// Sends raw nodes, callers first, to where a filter wants them.
export class Sieve {
  private readonly below: Uint8Array; // hidden with a caller
  constructor(
    private readonly raw: RawTree,
    private readonly filter: Filter,
    private readonly maker: TreeMaker,
  ) {
    this.below = new Uint8Array(raw.size);
  }

  threadOf(i: number): number {
    return this.raw.thread ? this.raw.thread[i] : 0;
  }

  otherThread(i: number): boolean {
    return this.filter.thread !== undefined && this.threadOf(i) !== this.filter.thread;
  }

  // Where node `i` goes if its parent went to `to`.
  place(i: number, to: number): number {
    const { hides, skips, groupOf, joins } = this.filter;
    const frame = this.raw.frame[i];
    if (this.below[this.raw.parent[i]] || hides?.(frame)) {
      this.below[i] = 1;
      return to;
    }
    if (skips?.(frame)) return to;
    const group = groupOf ? groupOf[frame] : frame;
    if (joins && to > 0 && this.maker.frame[to] === group) return to;
    return this.maker.child(to, group, this.threadOf(i), i);
  }
}

export interface MadeTree {
  tree: Tree;
  nodeOf: Int32Array; // where a raw node is shown: there, or at the nearest caller that is
}

export function makeTree(raw: RawTree, weights: Weights, filter: Filter = {}): MadeTree {
  const { groupOf } = filter;
  const maker = new TreeMaker(weights, groupOf ? groupOf[raw.frame[0]] : raw.frame[0]);
  const sieve = new Sieve(raw, filter, maker);
  const target = new Int32Array(raw.size);
  // What the root holds itself is of no known thread.
  if (filter.thread === undefined) maker.add(0, 0);
  for (let i = 1; i < raw.size; ++i) {
    if (sieve.otherThread(i)) continue;
    target[i] = sieve.place(i, target[raw.parent[i]]);
    maker.add(target[i], i);
  }
  const { tree, placeOf } = maker.finish();
  return { tree, nodeOf: target.map((node) => placeOf[node]) };
}

// Sums of every raw node with all below it.
export function inclusive(raw: RawTree, weights: Weights): Weights {
  const sums: Weights = {};
  for (const metric in weights) {
    const values = Float64Array.from(weights[metric]);
    for (let i = raw.size - 1; i > 0; --i) values[raw.parent[i]] += values[i];
    sums[metric] = values;
  }
  return sums;
}

export function isWithin(tree: Tree, node: number, ancestor: number): boolean {
  return ancestor <= node && node < tree.end[ancestor];
}
