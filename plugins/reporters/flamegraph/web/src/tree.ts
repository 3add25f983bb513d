// The tree that is on screen: the report's nodes, less what a filter hides.
//
// Nodes stay in preorder, so the subtree of node i is the range [i, end[i]), and everything that looks at all nodes is one
// loop without recursion, however deep the stacks are.

import type { Metric, RawTree } from "./data";

export interface Tree {
  size: number;
  id: Uint32Array; // number in the report, by which the address bar names a node
  depth: Uint32Array;
  parent: Uint32Array;
  end: Uint32Array;
  frame: Uint32Array;
  values: Record<Metric, Float64Array>;
}

export interface Filter {
  thread?: number; // only this one
  hides?: (frame: number) => boolean; // with everything below
}

export function makeTree(raw: RawTree, filter: Filter = {}): Tree {
  const kept = select(raw, filter);
  const size = kept.length;
  const tree: Tree = {
    size,
    id: Uint32Array.from(kept),
    depth: new Uint32Array(size),
    parent: new Uint32Array(size),
    end: new Uint32Array(size),
    frame: new Uint32Array(size),
    values: { bytes: new Float64Array(size), count: new Float64Array(size) },
  };
  const path: number[] = [];
  kept.forEach((id, i) => {
    const depth = raw.depth[id];
    while (path.length > depth) tree.end[path.pop()!] = i;
    tree.depth[i] = depth;
    tree.parent[i] = depth === 0 ? 0 : path[depth - 1];
    tree.frame[i] = raw.frame[id];
    tree.values.bytes[i] = raw.bytes[id];
    tree.values.count[i] = raw.count[id];
    path.push(i);
  });
  while (path.length > 0) tree.end[path.pop()!] = size;
  if (filter.thread !== undefined) sumRoot(tree);
  return tree;
}

function select(raw: RawTree, { thread, hides }: Filter): number[] {
  const kept: number[] = [];
  for (let i = 0; i < raw.depth.length; ++i) {
    const otherThread = thread !== undefined && i > 0 && raw.thread![i] !== thread;
    if (otherThread || hides?.(raw.frame[i])) {
      const depth = raw.depth[i];
      while (i + 1 < raw.depth.length && raw.depth[i + 1] > depth) ++i;
    } else {
      kept.push(i);
    }
  }
  return kept;
}

// The root's own values are those of all threads.
function sumRoot(tree: Tree): void {
  for (const values of [tree.values.bytes, tree.values.count]) {
    values[0] = 0;
    for (let i = 1; i < tree.size; i = tree.end[i]) values[0] += values[i];
  }
}

// The node with this number in the report, or else the nearest one above it that is shown.
export function findNode(tree: Tree, id: number): number {
  let low = 0;
  let high = tree.size;
  while (low + 1 < high) {
    const middle = (low + high) >> 1;
    if (tree.id[middle] <= id) low = middle;
    else high = middle;
  }
  return low;
}

export function isWithin(tree: Tree, node: number, ancestor: number): boolean {
  return ancestor <= node && node < tree.end[ancestor];
}

export function maxDepth(tree: Tree, node: number): number {
  let deepest = tree.depth[node];
  for (let i = node; i < tree.end[node]; ++i) deepest = Math.max(deepest, tree.depth[i]);
  return deepest;
}
