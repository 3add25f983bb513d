// Where nodes lie. Pure functions of the tree: nothing here knows of pixels beyond a width, or of the page at all.
//
// A node spans [start, start + value) on an axis that the root spans from 0; a child starts where its elder sibling ends,
// and what remains of the parent at the right is the parent's own. Zooming changes only the part of the axis that is
// looked at, so it can be animated by moving that window.

import type { Tree } from "./tree";

export interface Window {
  from: number;
  to: number;
}

export interface Box {
  node: number;
  depth: number;
  x: number;
  width: number;
}

export function starts(tree: Tree, values: Float64Array): Float64Array {
  const start = new Float64Array(tree.size);
  const next = new Float64Array(tree.size); // where the next child of a node goes
  for (let i = 1; i < tree.size; ++i) {
    const parent = tree.parent[i];
    start[i] = next[parent];
    next[i] = start[i];
    next[parent] += values[i];
  }
  return start;
}

export function windowOf(start: Float64Array, values: Float64Array, node: number): Window {
  return { from: start[node], to: start[node] + values[node] };
}

// The boxes of depths [firstDepth, lastDepth], cut at the edges of the window. Of those narrower than `minWidth` there is
// one where there would be nothing at all: ten thousand of them beside each other are no empty place.
export function boxes(
  tree: Tree,
  start: Float64Array,
  values: Float64Array,
  window: Window,
  width: number,
  firstDepth: number,
  lastDepth: number,
  minWidth: number,
): Box[] {
  const found: Box[] = [];
  const scale = width / (window.to - window.from);
  if (!Number.isFinite(scale)) return found;
  const reached: number[] = []; // by depth: how far there is something
  for (let i = 0; i < tree.size; ) {
    const left = Math.max(0, (start[i] - window.from) * scale);
    const right = Math.min(width, (start[i] + values[i] - window.from) * scale);
    const depth = tree.depth[i];
    const narrow = right - left < minWidth;
    const seen = depth >= firstDepth && depth <= lastDepth && right > left;
    if (seen && !(narrow && left < (reached[depth] ?? 0))) {
      found.push({ node: i, depth, x: left, width: right - left });
      reached[depth] = Math.max(right, left + minWidth);
    }
    i = narrow || depth > lastDepth ? tree.end[i] : i + 1;
  }
  return found;
}

// The node at this place, if any.
export function nodeAt(
  tree: Tree,
  start: Float64Array,
  values: Float64Array,
  place: number,
  depth: number,
): number | undefined {
  for (let i = 0; i < tree.size; ) {
    if (place < start[i] || place >= start[i] + values[i]) {
      i = tree.end[i];
    } else if (tree.depth[i] === depth) {
      return i;
    } else {
      ++i;
    }
  }
  return undefined;
}
