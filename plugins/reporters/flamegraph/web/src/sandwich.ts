// One function, wherever it is called: everything that led to it, and everything it led to.
//
// Of a stack that has the function several times, the outermost call counts, so the memory of a recursion counts once, and
// both trees have the same total. In an inverted report callers are below, so the two change places.

import type { RawTree, Weights } from "./data";
import { inclusive, Sieve, TreeMaker } from "./tree";
import type { Filter, Tree } from "./tree";

export interface Sandwich {
  callers: Tree;
  callees: Tree;
}

export function sandwich(raw: RawTree, weights: Weights, filter: Filter, group: number, inverted: boolean): Sandwich {
  const groupOf = filter.groupOf!;
  const below = new TreeMaker(weights, group);
  const above = new TreeMaker(inclusive(raw, weights), group);
  const down = new Sieve(raw, filter, below);
  const up = new Sieve(raw, { groupOf, joins: filter.joins, skips: filter.skips }, above);
  const target = new Int32Array(raw.size).fill(-1); // in `below`; -1 above and beside the function

  for (let i = 0; i < raw.size; ++i) {
    const caller = i > 0 ? target[raw.parent[i]] : -1;
    if (down.otherThread(i) && i > 0) continue;
    if (caller >= 0) {
      target[i] = down.place(i, caller);
      below.add(target[i], i);
    } else if (groupOf[raw.frame[i]] === group) {
      target[i] = 0;
      below.add(0, i);
      let node = 0;
      for (let j = raw.parent[i]; j > 0; j = raw.parent[j]) node = up.place(j, node);
      above.add(node, i);
    }
  }
  const [callees, callers] = [below.finish().tree, above.finish().tree];
  return inverted ? { callers: callees, callees: callers } : { callers, callees };
}
