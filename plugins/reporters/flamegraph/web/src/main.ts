// Puts the page together: reads the report, and keeps tree, graph, search, address bar and controls in step.

import { frameColours, isImportSystem } from "./colours";
import { framesOf } from "./data";
import type { Metric, Report } from "./data";
import { element, make } from "./dom";
import * as format from "./format";
import { Graph } from "./graph";
import { setUpMemory } from "./memory";
import type { Colours } from "./painter";
import { connectDialog, fillFacts, fillHeading, fillHelp, fillLegend, fillNotes } from "./panels";
import { matched, matchingFrames } from "./search";
import { cssColour, currentTheme, setUpTheme } from "./theme";
import { describe, hideTooltip, showTooltip } from "./tooltip";
import type { Facts } from "./tooltip";
import { findNode, makeTree } from "./tree";
import type { Filter, Tree } from "./tree";

const report = JSON.parse(element("data").textContent!) as Report;
const frames = framesOf(report);
const importFrames = frames.map(isImportSystem);

const reset = element<HTMLButtonElement>("reset");
const search = element<HTMLInputElement>("search");
const hideImports = element<HTMLInputElement>("hide-imports");
const threads = element<HTMLSelectElement>("thread");

let metric: Metric = "bytes";
let tree = shownTree();

function shownTree(): Tree {
  const filter: Filter = threads.value === "" ? {} : { thread: Number(threads.value) };
  if (!hideImports.checked) return makeTree(report.tree, filter);
  if (report.withoutImports) return makeTree(report.withoutImports, filter);
  return makeTree(report.tree, { ...filter, hides: (frame) => importFrames[frame] });
}

function colours(): Colours {
  return {
    frames: frameColours(frames, currentTheme()),
    text: cssColour("box-text"),
    dimText: cssColour("box-dim"),
    background: cssColour("background"),
    match: cssColour("match"),
    matchText: cssColour("match-text"),
    ring: cssColour("ring"),
  };
}

function factsOf(node: number): Facts {
  return {
    frame: frames[tree.frame[node]],
    bytes: tree.values.bytes[node],
    count: tree.values.count[node],
    totalBytes: tree.values.bytes[0],
    totalCount: tree.values.count[0],
    thread: node > 0 && report.tree.thread ? report.threads[threadOf(node)] : undefined,
  };
}

function threadOf(node: number): number {
  const raw = hideImports.checked && report.withoutImports ? report.withoutImports : report.tree;
  return raw.thread![tree.id[node]];
}

function showDetails(node: number): void {
  element("details").textContent = describe(factsOf(node));
}

setUpTheme(element("theme-button"), repaint);

const graph = new Graph(
  { scroller: element("graph"), canvas: element<HTMLCanvasElement>("flames"), extent: element("extent") },
  frames,
  tree,
  metric,
  colours(),
  {
    chosen: (node) => go(tree.id[node]),
    pointed: (node, event) => {
      if (node === undefined || !event) {
        hideTooltip();
        showDetails(graph.zoomedNode);
      } else {
        showTooltip(factsOf(node), event.clientX, event.clientY);
        showDetails(node);
      }
    },
    focused: (node) => {
      hideTooltip();
      showDetails(node);
      element("spoken").textContent = describe(factsOf(node));
    },
  },
);

// The address bar says which node is zoomed, so that the browser's back and forward buttons work.
function go(id: number): void {
  const fragment = id === 0 ? "" : String(id);
  if (location.hash.slice(1) !== fragment) location.hash = fragment;
  else followAddress();
}

function addressedNode(): number {
  const id = Number(location.hash.slice(1));
  return Number.isInteger(id) && id > 0 ? findNode(tree, id) : 0;
}

function followAddress(): void {
  hideTooltip();
  graph.zoom(addressedNode());
  zoomChanged();
}

function zoomChanged(): void {
  reset.disabled = graph.zoomedNode === 0;
  showDetails(graph.zoomedNode);
  showMatched();
}

function refresh(): void {
  graph.show(tree, metric, addressedNode());
  zoomChanged();
}

function rebuild(): void {
  tree = shownTree();
  refresh();
}

function repaint(): void {
  graph.setColours(colours());
  fillLegend(frames, currentTheme());
  repaintMemory();
}

function showMatched(): void {
  const output = element("matched");
  if (search.value.trim() === "") {
    output.textContent = "";
    graph.setMatches(undefined);
    return;
  }
  const matches = matchingFrames(frames, search.value);
  const zoomed = graph.zoomedNode;
  const values = tree.values[metric];
  const found = matched(tree, values, matches, zoomed);
  output.textContent =
    found.nodes === 0 ? "no match" : `matched: ${format.percent(found.value, values[zoomed])} in ${format.count(found.nodes)} box${found.nodes === 1 ? "" : "es"}`;
  graph.setMatches(matches);
}

function setMetric(value: Metric): void {
  metric = value;
  check("metric", value);
  refresh();
}

function setFlames(flames: boolean): void {
  check("direction", flames ? "flame" : "icicle");
  graph.setFlames(flames);
}

function checked(name: string): string {
  return document.querySelector<HTMLInputElement>(`input[name=${name}]:checked`)!.value;
}

function check(name: string, value: string): void {
  document.querySelector<HTMLInputElement>(`input[name=${name}][value=${value}]`)!.checked = true;
}

function onChange(selector: string, act: () => void): void {
  for (const input of document.querySelectorAll(selector)) input.addEventListener("change", act);
}

const shortcuts: Record<string, () => void> = {
  "/": () => search.focus(),
  "?": () => element<HTMLDialogElement>("help-dialog").showModal(),
  Escape: () => go(0),
  b: () => setMetric("bytes"),
  a: () => setMetric("count"),
  f: () => setFlames(checked("direction") === "icicle"),
  t: () => element("theme-button").click(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.target === search) {
    if (event.key !== "Escape") return;
    search.value = "";
    search.blur();
    showMatched();
    return;
  }
  if (event.target === threads) return;
  const act = shortcuts[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

if (report.threads.length > 1) {
  element("thread-field").hidden = false;
  const option = (label: string, value: string) => {
    const made = make("option", label) as HTMLOptionElement;
    made.value = value;
    threads.append(made);
  };
  option("all", "");
  report.threads.forEach((label, i) => option(label, String(i)));
}

const repaintMemory = setUpMemory(report);
fillHeading(report);
fillNotes(report);
fillFacts(report);
fillHelp();
fillLegend(frames, currentTheme());
connectDialog("stats-button", "stats-dialog");
connectDialog("help-button", "help-dialog");

onChange("input[name=metric]", () => setMetric(checked("metric") as Metric));
onChange("input[name=direction]", () => setFlames(checked("direction") === "flame"));
onChange("#thread", rebuild);
onChange("#hide-imports", () => {
  // The two trees of an inverted report number their nodes each in its own way.
  if (report.withoutImports) go(0);
  rebuild();
});
search.addEventListener("input", showMatched);
reset.addEventListener("click", () => go(0));
window.addEventListener("hashchange", followAddress);
refresh();

// For tests and for the console: which boxes there are and where.
Object.assign(window, {
  memrayFlamegraph: {
    report,
    zoomed: () => tree.id[graph.zoomedNode],
    focused: () => tree.id[graph.focusedNode],
    nodes: () => Array.from(tree.id),
    box: (id: number) => {
      const node = findNode(tree, id);
      const found = tree.id[node] === id ? graph.box(node) : undefined;
      return found && { x: found.x, y: found.y, width: found.width };
    },
  },
});
document.documentElement.dataset.ready = "true";
