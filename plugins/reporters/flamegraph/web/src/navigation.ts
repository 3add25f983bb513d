// Moving through the tree by keyboard. Directions are the tree's: callees, callers, siblings; which arrow means which
// depends on whether the root is drawn at the top.

import type { Tree } from "./tree";

export type Move = "caller" | "callee" | "previous" | "next";

// Only nodes for which `shown` holds are gone to; `node` itself where there is none.
export function move(tree: Tree, node: number, to: Move, shown: (node: number) => boolean): number {
  switch (to) {
    case "caller":
      return tree.parent[node];
    case "callee":
      for (let i = node + 1; i < tree.end[node]; i = tree.end[i]) {
        if (shown(i)) return i;
      }
      return node;
    case "next":
      // The next one at this depth, also if its parent is another.
      for (let i = tree.end[node]; i < tree.size; ) {
        if (!shown(i)) i = tree.end[i];
        else if (tree.depth[i] === tree.depth[node]) return i;
        else ++i;
      }
      return node;
    case "previous":
      for (let i = node - 1; i > 0; --i) {
        if (tree.depth[i] === tree.depth[node] && shown(i)) return i;
      }
      return node;
  }
}
