// Puts the page together: reads the report, and keeps rows, filters and totals in step.

import { fillFacts, fillHeadline, heldBy, setUpChrome, setUpKeys, updateChrome } from "../../../html_common/web/src/chrome";
import { addOption, onChange, selected } from "../../../html_common/web/src/controls";
import { element, make } from "../../../html_common/web/src/dom";
import * as format from "../../../html_common/web/src/format";
import { kindNames } from "../../../html_common/web/src/kinds";
import type { Kind } from "../../../html_common/web/src/kinds";
import { follow } from "../../../html_common/web/src/live";
import { readReport } from "../../../html_common/web/src/report";
import { fillSourceLink } from "../../../html_common/web/src/source_link";
import { Grid } from "./grid";
import { help } from "./help";
import { filtered, rowsOf, samePlace, sorted, totalsOf } from "./rows";
import type { Column, Order, Report, Row } from "./rows";

let report = readReport<Report>();
let rows = rowsOf(report);
let whole = totalsOf(rows);
const split = report.threads.length > 0;
const search = element<HTMLInputElement>("search");
let order: Order = { column: "bytes", descending: true };
let shown: Row[] = [];

const columns: [Column, string, string][] = [
  ["bytes", "Size", "number"],
  ["bytes", "Share", "number"],
  ["count", "Allocations", "number"],
  ["allocator", "Allocator", ""],
  ["location", "Location", "location"],
];
if (split) columns.push(["thread", "Thread", ""]);

function cell(text: string, className = ""): HTMLElement {
  const made = make("div", text, className);
  made.setAttribute("role", "gridcell");
  return made;
}

function cells(row: Row): HTMLElement[] {
  const size = cell(format.bytes(row.bytes), "number");
  size.title = `${format.count(row.bytes)} B`;
  const share = cell(format.percent(row.bytes, whole.bytes), "number share");
  const bar = make("i");
  bar.style.width = `${whole.bytes > 0 ? (100 * row.bytes) / whole.bytes : 0}%`;
  share.append(bar);
  const location = cell(row.function, "location");
  const place = format.place(row.frame);
  if (place !== "") location.append(make("span", ` ${place}`));
  location.title = `${row.function} ${place}`;
  const made = [size, share, cell(format.count(row.count), "number"), cell(row.allocator), location];
  if (split) made.push(cell(row.thread));
  return made;
}

function showDetails(row: Row | undefined): void {
  const parts = row && [row.function, format.place(row.frame), format.bytes(row.bytes), format.allocations(row.count), row.allocator, row.thread, row.frame.source];
  element("details").textContent = parts ? parts.filter((part) => part !== "").join(" · ") : "";
  fillSourceLink(report.sourceLink, row?.frame);
}

const grid = new Grid(element("grid"), element("rows"), () => element("head").offsetHeight, { cells, chosen: showDetails });

function select(): void {
  const filter = { text: search.value, allocator: selected("allocator-filter"), thread: selected("thread"), kind: selected("kind") };
  shown = sorted(filtered(rows, filter), order);
  const totals = totalsOf(shown);
  const output = element("totals");
  output.replaceChildren(make("b", format.bytes(totals.bytes)));
  output.append(
    ` (${format.percent(totals.bytes, whole.bytes)}) in ${format.allocations(totals.count)}, ${format.count(shown.length)} row${shown.length === 1 ? "" : "s"}`,
  );
}

function refresh(): void {
  select();
  grid.show(shown);
}

function fillHead(): void {
  element("head").replaceChildren(
    ...columns.map(([column, label, className]) => {
      const heading = make("div", "", className);
      heading.setAttribute("role", "columnheader");
      const now = order.column === column && label !== "Share";
      heading.setAttribute("aria-sort", now ? (order.descending ? "descending" : "ascending") : "none");
      const button = make("button", label);
      button.addEventListener("click", () => sortBy(column, label));
      heading.append(button);
      return heading;
    }),
  );
}

function sortBy(column: Column, label: string): void {
  const numbers = column === "bytes" || column === "count";
  order = { column, descending: order.column === column ? !order.descending : numbers };
  fillHead();
  for (const button of element("head").querySelectorAll("button")) if (button.textContent === label) button.focus();
  refresh();
}

// Values that the list has already stay as they are, and where they are.
function fillFilter(select: string, values: Iterable<string>, labelOf = (value: string) => value): void {
  const known = new Set(Array.from(element<HTMLSelectElement>(select).options, ({ value }) => value));
  if (!known.has("")) addOption(select, "all", "");
  for (const value of new Set(values)) if (value !== "" && !known.has(value)) addOption(select, labelOf(value), value);
}

function fillFilters(): void {
  fillFilter("allocator-filter", rows.map((row) => row.allocator).sort());
  fillFilter("thread", report.threads);
  fillFilter("kind", (Object.keys(kindNames) as Kind[]).filter((kind) => kind !== "none" && rows.some((row) => row.kind === kind)), (kind) => kindNames[kind as Kind]);
}

function fillFigures(): void {
  const [held, allocations] = heldBy(report.chrome);
  fillHeadline([
    [held, format.bytes(whole.bytes)],
    [allocations, format.count(whole.count)],
    ["recorded", format.duration(report.chrome.duration)],
  ]);
  const small = report.merged > 0 ? `The ${format.count(report.merged)} smallest rows are taken together as “(merged)”` : "";
  fillFacts(report.chrome, [["Rows", format.count(rows.length) + (small === "" ? "" : `. ${small}`)]]);
  element("merged").textContent = small;
}

// The recording has gone on: everything anew but what the user has chosen.
function update(next: Report): void {
  report = next;
  rows = rowsOf(report);
  whole = totalsOf(rows);
  fillFilters();
  fillFigures();
  select();
  grid.update(shown, samePlace);
  updateChrome(report.chrome, memory);
}

const memory = setUpChrome(report.chrome, help, () => undefined);
setUpKeys({});
fillFigures();

element("grid").classList.toggle("threads", split);
element("thread-field").hidden = !split;
fillFilters();
onChange("#allocator-filter, #thread, #kind", refresh);
search.addEventListener("input", refresh);
fillHead();
refresh();

// For tests and for the console.
Object.assign(window, {
  memrayTable: {
    rows: () => shown.map(({ function: name, frame, bytes, count, allocator, thread }) => ({ function: name, file: frame.file, line: frame.line, bytes, count, allocator, thread })),
  },
});
document.documentElement.dataset.ready = "true";
follow(report, update);
