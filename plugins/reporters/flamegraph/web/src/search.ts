// Which frames a search means, and how much of the memory is theirs.

import type { Frame } from "../../../html_common/web/src/report";
import type { Tree } from "./tree";

// One entry a frame: 1 if its function or file contains the text, in whatever case.
export function matchingFrames(frames: Frame[], text: string): Uint8Array {
  const wanted = text.trim().toLowerCase();
  return Uint8Array.from(frames, (frame) =>
    wanted !== "" && !frame.special && `${frame.function}\n${frame.file}`.toLowerCase().includes(wanted) ? 1 : 0,
  );
}

export interface Matched {
  value: number; // every byte once, also where a match is called by another
  nodes: number;
}

export function matched(tree: Tree, values: Float64Array, matches: Uint8Array, within: number): Matched {
  const sum = { value: 0, nodes: 0 };
  let coveredUntil = 0;
  for (let i = within; i < tree.end[within]; ++i) {
    if (!matches[tree.frame[i]]) continue;
    ++sum.nodes;
    if (i < coveredUntil) continue;
    sum.value += values[i];
    coveredUntil = tree.end[i];
  }
  return sum;
}
