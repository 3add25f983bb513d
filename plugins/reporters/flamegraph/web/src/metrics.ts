// What widths may stand for.

import * as format from "../../../html_common/web/src/format";
import type { Facts } from "./tooltip";
import type { Tree } from "./tree";

export interface Metric {
  key: string; // into Tree.values
  label: string;
  text: (value: number) => string;
}

export const plainMetrics: Metric[] = [
  { key: "bytes", label: "Bytes", text: format.bytes },
  { key: "count", label: "Allocations", text: format.count },
];

export function plainFigures({ values }: Tree, node: number): Facts["figures"] {
  return [
    [format.bytes(values.bytes[node]), format.percent(values.bytes[node], values.bytes[0])],
    [format.allocations(values.count[node]), format.percent(values.count[node], values.count[0])],
  ];
}

