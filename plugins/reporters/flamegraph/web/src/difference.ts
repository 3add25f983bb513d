// A report of two snapshots: widths, colours and words for what grew and what shrank.
//
// Orange and blue are told apart by people with any colour vision, and every figure has its sign.

import * as format from "../../../html_common/web/src/format";
import type { Theme } from "../../../html_common/web/src/theme";
import type { Weights } from "./data";
import type { Metric } from "./metrics";
import type { Facts } from "./tooltip";
import type { Tree } from "./tree";

export const differenceMetrics: Metric[] = [
  { key: "larger", label: "Larger", text: format.bytes },
  { key: "bytes", label: "After", text: format.bytes },
  { key: "bytesBefore", label: "Before", text: format.bytes },
  { key: "change", label: "Change", text: format.bytes },
];

// By stack, so that what one stack grew and another shrank does not cancel out in the widths.
export function withDifferences({ bytes, count, bytesBefore, countBefore }: Weights): Weights {
  return {
    larger: bytes.map((after, i) => Math.max(after, bytesBefore[i])),
    bytes,
    bytesBefore,
    change: bytes.map((after, i) => Math.abs(after - bytesBefore[i])),
    count,
    countBefore,
  };
}

export function changeText({ values }: Tree, node: number): string {
  return format.change(values.bytes[node] - values.bytesBefore[node], format.bytes);
}

export function differenceFigures(tree: Tree, node: number): Facts["figures"] {
  const { bytes, bytesBefore, count, countBefore } = tree.values;
  const before = bytesBefore[node];
  const grown = bytes[node] - before;
  const share = before === 0 ? (grown > 0 ? "new" : "") : bytes[node] === 0 ? "gone" : format.change((100 * grown) / before, (value) => `${value.toFixed(1)} %`);
  return [
    [changeText(tree, node), share],
    [format.bytes(before), "before"],
    [format.bytes(bytes[node]), "after"],
    [format.change(count[node] - countBefore[node], format.allocations), ""],
  ];
}

// From -1, gone, to 1, new.
export function growth({ values }: Tree, node: number): number {
  const { bytes, bytesBefore } = values;
  return (bytes[node] - bytesBefore[node]) / Math.max(bytes[node], bytesBefore[node], 1);
}

export function changeColour(grown: number, theme: Theme): string {
  const much = Math.sqrt(Math.abs(grown));
  const hue = grown > 0 ? 26 : 214;
  if (grown === 0) return theme === "light" ? "hsl(220 8% 88%)" : "hsl(220 6% 27%)";
  const [faint, full] = theme === "light" ? [90, 62] : [24, grown > 0 ? 36 : 42];
  return `hsl(${hue} ${Math.round(24 + 52 * much)}% ${Math.round(faint + (full - faint) * much)}%)`;
}

export function changeLegend(theme: Theme): [colour: string, name: string][] {
  return [
    [changeColour(1, theme), "grew (+)"],
    [changeColour(0, theme), "as before (±0)"],
    [changeColour(-1, theme), "shrank (−)"],
  ];
}
