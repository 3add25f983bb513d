// Everything around the graph that is written once: heading, notes, legend, dialogs.

import { kindColour, kindNames, kindOf } from "./colours";
import type { Kind, Theme } from "./colours";
import type { Frame, Report } from "./data";
import { element, make } from "./dom";
import * as format from "./format";

export function fillHeading(report: Report): void {
  document.title = report.title;
  element("heading").textContent = report.title.replace(/^memray - /, "").replace(/^./, (c) => c.toUpperCase());
  const value = (label: string) => report.facts.find((fact) => fact.label === label);
  const command = element("command");
  command.textContent = String(value("Command line")?.value ?? "");
  command.title = command.textContent;

  const headline = element("headline");
  const figures: [string, string][] = [
    [report.leaks ? "not freed" : "at the peak", format.bytes(report.tree.bytes[0])],
    [report.leaks ? "allocations" : "live allocations", format.count(report.tree.count[0])],
  ];
  const duration = value("Duration");
  if (duration) figures.push(["recorded", format.fact(duration)]);
  for (const [label, figure] of figures) {
    const pair = make("div");
    pair.append(make("dd", figure), make("dt", label));
    headline.append(pair);
  }
}

export function fillNotes(report: Report): void {
  for (const note of report.notes) {
    const box = make("p", note, "note");
    box.setAttribute("role", "status");
    const close = make("button", "✕", "icon");
    close.setAttribute("aria-label", "Dismiss");
    close.addEventListener("click", () => box.remove());
    box.append(close);
    element("notes").append(box);
  }
}

export function fillFacts(report: Report): void {
  const list = element("facts");
  const add = (label: string, text: string) => list.append(make("dt", label), make("dd", text));
  for (const fact of report.facts) add(fact.label, format.fact(fact));
  add("Frames in this report", format.count(report.frames.function.length));
  const { merged } = report.tree;
  add("Nodes in this report", `${format.count(report.tree.depth.length)}${
    merged > 0 ? `, and ${format.count(merged)} too small to see, shown as “(merged)”` : ""
  }`);
}

export function fillLegend(frames: Frame[], theme: Theme): void {
  const present = new Set(frames.map(kindOf));
  const kinds = (Object.keys(kindNames) as Kind[]).filter((kind) => kind !== "none" && present.has(kind));
  element("kinds").replaceChildren(
    ...kinds.map((kind) => {
      const item = make("li");
      const swatch = make("span", "", "swatch");
      swatch.style.background = kindColour(kind, theme);
      item.append(swatch, kindNames[kind]);
      return item;
    }),
  );
}

const paragraphs: [string, string][] = [
  [
    "What a box is",
    "A function at one line of its source. Its width is the memory (or the number of allocations) that it and everything it called " +
      "held at the moment shown.",
  ],
  [
    "Which moment",
    "The peak: the instant when the recorded program held most. A report of leaks shows what was never freed instead.",
  ],
  [
    "Callers and callees",
    "What a function called hangs below it (icicles) or stands on it (flames). In an inverted graph it is the other way round: " +
      "the functions that allocated are next to the root, and their callers follow.",
  ],
  ["Colour", "Where the code comes from, as the legend at the bottom says. Shades tell files apart."],
  [
    "Bare edges",
    "Where boxes do not fill the width of the one they belong to, the rest was allocated by that function itself.",
  ],
];

const keys: [string, string][] = [
  ["click, Enter", "zoom into a box"],
  ["Escape", "show everything again"],
  ["Alt ←, Alt →", "previous and next zoom (browser history)"],
  ["arrows, Home", "move between boxes; back to the root"],
  ["/", "search"],
  ["b, a", "widths by bytes, by allocations"],
  ["f", "flames or icicles"],
  ["t", "light or dark"],
  ["?", "this help"],
];

export function fillHelp(): void {
  const help = element("help");
  for (const [title, text] of paragraphs) help.append(make("h3", title), make("p", text));
  help.append(make("h3", "Keys and mouse"));
  const list = make("dl", "", "keys");
  for (const [key, meaning] of keys) list.append(make("dt", key), make("dd", meaning));
  help.append(list);
}

export function connectDialog(button: string, dialog: string): void {
  const box = element<HTMLDialogElement>(dialog);
  element(button).addEventListener("click", () => box.showModal());
  // A click outside closes.
  box.addEventListener("click", (event) => {
    if (event.target === box) box.close();
  });
}
