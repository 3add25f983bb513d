// What was held in which slot of time.

import type { Intervals, Slots, Weights } from "./data";

// The slot with the highest moment of slots [first, last); of equal ones the last.
export function highestSlot({ highWater }: Slots, first: number, last: number): number {
  let highest = first;
  for (let i = first; i < last; ++i) if (highWater[i] >= highWater[highest]) highest = i;
  return highest;
}

// What nodes held themselves at the highest moment of a slot.
export function heldIn(size: number, intervals: Intervals, slot: number): Weights {
  return sum(size, intervals, (i) => intervals.from[i] <= slot && slot < intervals.to[i]);
}

// What was allocated in slots [first, last) and not freed in them.
export function leakedIn(size: number, intervals: Intervals, first: number, last: number): Weights {
  return sum(size, intervals, (i) => first <= intervals.from[i] && intervals.from[i] < last && last <= intervals.to[i]);
}

function sum(size: number, { node, bytes, count }: Intervals, wanted: (i: number) => boolean): Weights {
  const weights = { bytes: new Float64Array(size), count: new Float64Array(size) };
  for (let i = 0; i < node.length; ++i) {
    if (!wanted(i)) continue;
    weights.bytes[node[i]] += bytes[i];
    weights.count[node[i]] += count[i];
  }
  return weights;
}

// The edge nearest to a moment.
export function nearestEdge({ edges }: Slots, time: number): number {
  let low = 0;
  let high = edges.length - 1;
  while (low + 1 < high) {
    const middle = (low + high) >> 1;
    if (edges[middle] <= time) low = middle;
    else high = middle;
  }
  return time - edges[low] <= edges[high] - time ? low : high;
}
