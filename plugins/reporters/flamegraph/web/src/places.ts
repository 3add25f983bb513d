// What the address bar names in a page that follows a recording. Nodes and frames have other numbers in every update, so
// there a number stands for names: those of the frames from the root to a node, or that of one frame.

import type { Frame } from "../../../html_common/web/src/report";
import type { RawTree } from "./data";

export type Path = string[];

export class Places {
  private readonly paths: Path[] = [[]]; // 0 is the root
  private readonly numbers = new Map<string, number>([["", 0]]);

  number(path: Path): number {
    const key = path.join("\n");
    const known = this.numbers.get(key);
    if (known !== undefined) return known;
    this.numbers.set(key, this.paths.length);
    return this.paths.push(path) - 1;
  }

  path(number: number): Path {
    return this.paths[number] ?? [];
  }
}

export function nameOf({ function: name, file, line }: Frame): string {
  return JSON.stringify([name, file, line]);
}

export function pathTo(raw: RawTree, frames: Frame[], node: number): Path {
  const path: Path = [];
  for (; node > 0; node = raw.parent[node]) path.push(nameOf(frames[raw.frame[node]]));
  return path.reverse();
}

// The node at the end of the path, or as far along it as the tree goes.
export function nodeOn(raw: RawTree, frames: Frame[], path: Path): number {
  let node = 0;
  for (const name of path) {
    let child = node + 1;
    while (child < raw.size && raw.depth[child] > raw.depth[node]) {
      if (raw.parent[child] === node && nameOf(frames[raw.frame[child]]) === name) break;
      ++child;
    }
    if (child >= raw.size || raw.depth[child] <= raw.depth[node]) break;
    node = child;
  }
  return node;
}
