// Puts the page together: reads the report, and keeps view, graph, search, address bar and controls in step.

import { fillFacts, fillHeadline, heldBy, setUpChrome, setUpKeys, updateChrome } from "../../../html_common/web/src/chrome";
import { addOption, addRadio, check, checkedValue, isChecked, onChange, selected } from "../../../html_common/web/src/controls";
import { element, make } from "../../../html_common/web/src/dom";
import * as format from "../../../html_common/web/src/format";
import { follow } from "../../../html_common/web/src/live";
import { readReport } from "../../../html_common/web/src/report";
import { fillSourceLink } from "../../../html_common/web/src/source_link";
import { cssColour, currentTheme } from "../../../html_common/web/src/theme";
import { frameColours, legendOf } from "./colours";
import type { ColourBy } from "./colours";
import { changeColour, changeLegend, changeText, differenceFigures, differenceMetrics, growth, withDifferences } from "./difference";
import { slotsOf } from "./data";
import type { Report, Weights } from "./data";
import { Graph } from "./graph";
import type { Picture } from "./graph";
import type { GroupBy, Grouping } from "./grouping";
import { differenceHelp, help } from "./help";
import { plainFigures, plainMetrics } from "./metrics";
import type { Colours } from "./painter";
import { nameOf, nodeOn, pathTo, Places } from "./places";
import { RangePanel } from "./range_panel";
import { matched, matchingFrames } from "./search";
import { SandwichPanel } from "./sandwich_panel";
import { describe, hideTooltip, showTooltip } from "./tooltip";
import type { Facts } from "./tooltip";
import type { MadeTree, Tree } from "./tree";
import { View } from "./view";
import type { Choices } from "./view";

let report = readReport<Report>();
let view = new View(report);
const places = report.chrome.live && new Places();
const metrics = report.difference ? differenceMetrics : plainMetrics;
const figures = report.difference ? differenceFigures : plainFigures;

const search = element<HTMLInputElement>("search");
let metric = metrics[0];
let groups: Grouping;
let made: MadeTree;
let range: RangePanel | undefined; // of a report over time

function choices(): Choices {
  return {
    hideIrrelevant: isChecked("hide-irrelevant"),
    hideImports: isChecked("hide-imports"),
    group: selected("group") as GroupBy,
    thread: selected("thread") === "" ? undefined : Number(selected("thread")),
  };
}

function weights(): Weights {
  const raw = view.raw(choices());
  if (range) return range.weights(raw);
  return report.difference ? withDifferences(raw.own) : raw.own;
}

function colours(): Colours {
  return {
    text: cssColour("box-text"),
    dimText: cssColour("box-dim"),
    background: cssColour("background"),
    match: cssColour("match"),
    matchText: cssColour("match-text"),
    ring: cssColour("ring"),
  };
}

function picture(tree: Tree, { frames }: Grouping): Picture {
  const by = selected("colour") as ColourBy;
  const theme = currentTheme();
  const values = tree.values[metric.key];
  const colourOf = frameColours(frames, by, theme);
  return {
    tree,
    frames,
    values,
    share: report.difference ? (node) => changeText(tree, node) : (node) => metric.text(values[node]),
    colour: by === "change" ? (node) => changeColour(growth(tree, node), theme) : (node) => colourOf[tree.frame[node]],
  };
}

function factsOf(tree: Tree, { frames }: Grouping, node: number): Facts {
  const thread = report.threads.length > 0 && node > 0 ? report.threads[tree.thread[node]] : undefined;
  return { frame: frames[tree.frame[node]], figures: figures(tree, node), thread };
}

function showDetails(facts: Facts): void {
  element("details").textContent = describe(facts);
  fillSourceLink(report.sourceLink, facts.frame);
}

function pointed(facts: Facts | undefined, event?: PointerEvent): void {
  if (facts && event) {
    showTooltip(facts, event.clientX, event.clientY);
    element("details").textContent = describe(facts);
  } else {
    hideTooltip();
  }
}

function focused(facts: Facts): void {
  hideTooltip();
  showDetails(facts);
  element("spoken").textContent = describe(facts);
}

const graph = new Graph(element("graph"), false, colours(), {
  chosen: (node) => go(zoomAddress(made.tree.id[node])),
  pointed: (node, event) => {
    pointed(node === undefined ? undefined : factsOf(made.tree, groups, node), event);
    if (node === undefined) showDetails(factsOf(made.tree, groups, graph.zoomedNode));
  },
  focused: (node) => focused(factsOf(made.tree, groups, node)),
});

const panel: SandwichPanel = new SandwichPanel(() => view, colours(), {
  chosen: (frame) => go(frameAddress(frame)),
  pointed: (tree, node, event) => pointed(node === undefined ? undefined : factsOf(tree, panel.groups, node), event),
  focused: (tree, node) => focused(factsOf(tree, panel.groups, node)),
  picture,
});

// The address bar says what is looked at, so that the browser's back and forward buttons work: "123" is a zoomed node,
// "of=45" are callers and callees of frame 45's function. While a recording is followed, the numbers are those of places.
function go(fragment: string): void {
  if (location.hash.slice(1) !== fragment) location.hash = fragment;
  else followAddress();
}

function zoomAddress(id: number): string {
  const number = places ? places.number(pathTo(view.raw(choices()), view.frames, id)) : id;
  return number === 0 ? "" : String(number);
}

function frameAddress(frame: number): string {
  return `of=${places ? places.number([nameOf(view.frames[frame])]) : frame}`;
}

function frameAt(number: number): number | undefined {
  if (!places) return number < view.frames.length ? number : undefined;
  const [name] = places.path(number);
  const frame = view.frames.findIndex((each) => nameOf(each) === name);
  return frame < 0 ? undefined : frame;
}

function rawNodeAt(number: number): number {
  return places ? nodeOn(view.raw(choices()), view.frames, places.path(number)) : number;
}

function addressed(): { node: number; frame?: number } {
  const [, of, digits] = /^#(of=)?(\d+)$/.exec(location.hash) ?? [];
  const number = Number(digits ?? 0);
  if (of) return { node: 0, frame: frameAt(number) };
  const raw = rawNodeAt(number);
  return { node: raw < made.nodeOf.length ? made.nodeOf[raw] : 0 };
}

function followAddress(): void {
  hideTooltip();
  const { node, frame } = addressed();
  panel.show(frame, choices(), weights(), metric);
  element("graph").hidden = frame !== undefined;
  if (frame === undefined) graph.zoom(node);
  zoomChanged();
}

function zoomChanged(): void {
  const all = graph.zoomedNode === 0 && !panel.shown;
  element<HTMLButtonElement>("reset").disabled = all;
  element("reset").textContent = panel.shown ? "Whole picture" : "Reset zoom";
  if (panel.shown) showDetails(factsOf(panel.tree, panel.groups, 0));
  else showDetails(factsOf(made.tree, groups, graph.zoomedNode));
  showMatched();
}

function refresh(): void {
  const chosen = choices();
  groups = view.grouping(chosen.group);
  made = view.tree(chosen, weights());
  const { node } = addressed();
  graph.show(picture(made.tree, groups), node);
  followAddress();
  fillTotals();
  fillEmpty();
  fillLegend();
}

// The recording has gone on: everything anew but what the user has chosen.
function update(next: Report): void {
  const focus = pathTo(view.raw(choices()), view.frames, made.tree.id[graph.focusedNode]);
  report = next;
  view = new View(report);
  const chosen = choices();
  groups = view.grouping(chosen.group);
  made = view.tree(chosen, weights());
  const { node, frame } = addressed();
  graph.update(picture(made.tree, groups), node, made.nodeOf[nodeOn(view.raw(chosen), view.frames, focus)]);
  panel.show(frame, chosen, weights(), metric, panel.shown);
  element("graph").hidden = frame !== undefined;
  showMatched();
  if (panel.shown) showDetails(factsOf(panel.tree, panel.groups, 0));
  else showDetails(factsOf(made.tree, groups, graph.pointedNode));
  fillTotals();
  fillEmpty();
  fillLegend();
  fillStatistics();
  updateChrome(report.chrome, memory);
}

function fillTotals(): void {
  const { bytes, count, bytesBefore } = made.tree.values;
  if (report.difference) {
    fillHeadline([
      ["before", format.bytes(bytesBefore[0])],
      ["after", format.bytes(bytes[0])],
      ["change", changeText(made.tree, 0)],
    ]);
    return;
  }
  const [held, allocations] = heldBy(report.chrome);
  fillHeadline([
    [range?.moment ?? held, format.bytes(bytes[0])],
    [allocations, format.count(count[0])],
    ["recorded", format.duration(report.chrome.duration)],
  ]);
}

// A graph of no bytes has no boxes, though there may be allocations.
function fillEmpty(): void {
  const { values } = made.tree;
  const allocations = values.count[0];
  element("empty").hidden = values[metric.key][0] !== 0;
  element("empty").textContent =
    allocations === 0 ? "Nothing to show." : `${format.allocations(allocations)} of no bytes: choose Allocations to see where.`;
}

function fillStatistics(): void {
  const { merged, limit, size } = view.raw({ ...choices(), hideImports: false });
  const small = `${format.count(merged)} smaller than ${format.percent(limit, 1)}, shown as “(merged)”`;
  fillFacts(report.chrome, [
    ["Frames in this report", format.count(view.frames.filter((frame) => !frame.special).length)],
    ["Boxes in this report", format.count(size) + (merged > 0 ? `, and ${small}` : "")],
  ]);
  element("merged").textContent = merged > 0 ? small.replace(", shown", " are shown") : "";
}

function fillLegend(): void {
  const shown = Array.from(new Set(made.tree.frame), (frame) => groups.frames[frame]);
  const by = selected("colour") as ColourBy;
  const theme = currentTheme();
  const legend = by === "origin" ? legendOf(shown, theme) : by === "change" ? changeLegend(theme) : [];
  element("kinds").replaceChildren(
    ...legend.map(([colour, name]) => {
      const item = make("li");
      const swatch = make("span", "", "swatch");
      swatch.style.background = colour;
      item.append(swatch, name);
      return item;
    }),
  );
}

function repaint(): void {
  graph.setColours(colours());
  panel.setColours(colours());
  refresh();
}

function showMatched(): void {
  const output = element("matched");
  const wanted = search.value.trim() !== "";
  const matches = wanted ? matchingFrames(groups.frames, search.value) : undefined;
  graph.setMatches(matches);
  panel.setMatches(wanted ? matchingFrames(panel.groups.frames, search.value) : undefined);
  if (!matches || panel.shown) {
    output.textContent = "";
    return;
  }
  const { tree } = made;
  const values = tree.values[metric.key];
  const zoomed = graph.zoomedNode;
  const found = matched(tree, values, matches, zoomed);
  const boxes = `${format.count(found.nodes)} box${found.nodes === 1 ? "" : "es"}`;
  output.textContent = found.nodes === 0 ? "no match" : `matched: ${format.percent(found.value, values[zoomed])} in ${boxes}`;
}

function setMetric(key: string): void {
  metric = metrics.find((each) => each.key === key)!;
  check("metric", key);
  refresh();
}

function setFlames(flames: boolean): void {
  check("direction", flames ? "flame" : "icicle");
  graph.setFlames(flames);
}

function openSandwich(): void {
  if (panel.shown) {
    go("");
    return;
  }
  const { tree } = made;
  const node = graph.focusedNode || graph.zoomedNode || (tree.size > 1 ? 1 : 0);
  const frame = view.raw(choices()).frame[tree.id[node]];
  if (!view.frames[frame].special) go(frameAddress(frame));
}

if (report.difference) {
  addOption("colour", "by change", "change");
  element<HTMLSelectElement>("colour").value = "change";
  element("group").querySelector("option[value=line]")!.remove();
}
for (const { key, label } of metrics) addRadio(element("metrics"), "metric", key, label);
if (report.threads.length > 1) {
  element("thread-field").hidden = false;
  addOption("thread", "all", "");
  report.threads.forEach((label, i) => addOption("thread", label, String(i)));
}
const memory = setUpChrome(report.chrome, report.difference ? differenceHelp : help, repaint);
const slots = slotsOf(report);
if (slots) range = new RangePanel(slots, memory, refresh);
graph.setColours(colours()); // now of the theme in use
panel.setColours(colours());
fillStatistics();

onChange("input[name=metric]", () => setMetric(checkedValue("metric")));
onChange("input[name=direction]", () => setFlames(checkedValue("direction") === "flame"));
onChange("#thread, #group, #hide-irrelevant", refresh);
onChange("#colour", repaint);
onChange("#hide-imports", () => {
  // The two trees of an inverted report number their nodes each in its own way.
  if (report.withoutImports) go("");
  refresh();
});
search.addEventListener("input", showMatched);
element("reset").addEventListener("click", () => go(""));
element("sandwich").addEventListener("click", openSandwich);
window.addEventListener("hashchange", followAddress);
setUpKeys({
  Escape: () => go(""),
  b: () => setMetric(metrics[report.difference ? 2 : 0].key),
  a: () => setMetric(metrics[1].key),
  c: openSandwich,
  f: () => setFlames(checkedValue("direction") === "icicle"),
});
refresh();

// For tests and for the console: which boxes there are and where.
Object.assign(window, {
  memrayFlamegraph: {
    report: () => report,
    tree: () => ({
      ...Object.fromEntries(Object.entries(made.tree.values).map(([key, values]) => [key, Array.from(values)])),
      id: Array.from(made.tree.id),
      depth: Array.from(made.tree.depth),
      thread: Array.from(made.tree.thread, (thread) => report.threads[thread] ?? ""),
      frame: Array.from(made.tree.frame),
      frames: groups.frames,
    }),
    zoomed: () => graph.zoomedNode,
    focused: () => graph.focusedNode,
    box: (node: number) => {
      const found = graph.box(node);
      return found && { x: found.x, y: found.y, width: found.width };
    },
    sandwich: () => panel.describe(),
    range, // of a report over time
  },
});
document.documentElement.dataset.ready = "true";
follow(report, update);
