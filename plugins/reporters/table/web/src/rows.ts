// The rows of the table: what the report's JSON holds, as written by page.cc, and which of them are wanted in what order.

import { kindOf } from "../../../html_common/web/src/kinds";
import type { Kind } from "../../../html_common/web/src/kinds";
import { framesOf } from "../../../html_common/web/src/report";
import type { Chrome, Frame, PackedFrames } from "../../../html_common/web/src/report";
import { unpack } from "../../../html_common/web/src/unpack";

export interface Report extends PackedFrames {
  chrome: Chrome;
  sourceLink: string;
  rows: { frame: string; bytes: string; count: string; allocator: string; thread: string };
  merged: number;
  allocators: string[];
  threads: string[];
}

export interface Row {
  frame: Frame;
  function: string; // "???" where there is no stack
  bytes: number;
  count: number;
  allocator: string;
  thread: string;
  kind: Kind;
  text: string; // what a search looks at
}

export type Column = "bytes" | "count" | "allocator" | "location" | "thread";

export interface Order {
  column: Column;
  descending: boolean;
}

export interface Filter {
  text?: string;
  allocator?: string;
  thread?: string;
  kind?: string;
}

export function rowsOf(report: Report): Row[] {
  const frames = framesOf(report);
  const { rows } = report;
  const [frame, bytes, count, allocator, thread] = [rows.frame, rows.bytes, rows.count, rows.allocator, rows.thread].map(unpack);
  return Array.from(frame, (number, i) => {
    const at = frames[number];
    const name = at.special && at.function === "<root>" ? "???" : at.function;
    const row = { frame: at, function: name, bytes: bytes[i], count: count[i], kind: kindOf(at) };
    const [how, who] = [report.allocators[allocator[i]], report.threads[thread[i]] ?? ""];
    return { ...row, allocator: how, thread: who, text: `${name}\n${at.file}\n${how}\n${who}`.toLowerCase() };
  });
}

export function filtered(rows: Row[], { text = "", allocator = "", thread = "", kind = "" }: Filter): Row[] {
  const wanted = text.trim().toLowerCase();
  return rows.filter(
    (row) =>
      (wanted === "" || row.text.includes(wanted)) &&
      (allocator === "" || row.allocator === allocator) &&
      (thread === "" || row.thread === thread) &&
      (kind === "" || row.kind === kind),
  );
}

// Of two reports: whether they are about the same place.
export function samePlace(a: Row, b: Row): boolean {
  return a.frame.line === b.frame.line && a.text === b.text;
}

// Of equal ones, those with more bytes first.
export function sorted(rows: Row[], { column, descending }: Order): Row[] {
  const sign = descending ? -1 : 1;
  const compare = comparisons[column];
  return [...rows].sort((a, b) => sign * compare(a, b) || b.bytes - a.bytes);
}

function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

const comparisons: Record<Column, (a: Row, b: Row) => number> = {
  bytes: (a, b) => a.bytes - b.bytes,
  count: (a, b) => a.count - b.count,
  allocator: (a, b) => byText(a.allocator, b.allocator),
  location: (a, b) => byText(a.function, b.function) || byText(a.frame.file, b.frame.file) || a.frame.line - b.frame.line,
  thread: (a, b) => byText(a.thread, b.thread),
};

export interface Totals {
  bytes: number;
  count: number;
}

export function totalsOf(rows: Row[]): Totals {
  const totals = { bytes: 0, count: 0 };
  for (const row of rows) {
    totals.bytes += row.bytes;
    totals.count += row.count;
  }
  return totals;
}
