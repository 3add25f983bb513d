// Everything around a report's picture or table: heading, notes, dialogs, theme.

import { element, make } from "./dom";
import * as format from "./format";
import type { Chrome } from "./report";
import { setUpMemory } from "./memory";
import type { MemoryPanel } from "./memory";
import { setUpTheme } from "./theme";

export type Figure = [label: string, text: string];

// What the totals are those of.
const heldNames: Record<Chrome["view"], [bytes: string, count: string]> = {
  peak: ["at the peak", "live allocations"],
  leaks: ["not freed", "allocations"],
  temporary: ["short-lived", "allocations"],
};

// Of a recording that is still made it is more than one moment.
export function heldBy({ live, view }: Chrome): [bytes: string, count: string] {
  return live ? [live.held, "allocations"] : heldNames[view];
}

export function fillHeadline(figures: Figure[]): void {
  element("headline").replaceChildren(
    ...figures.map(([label, figure]) => {
      const pair = make("div");
      pair.append(make("dd", figure), make("dt", label));
      return pair;
    }),
  );
}

const allocators: Record<string, string> = {
  pymalloc: "pymalloc: Python takes objects of up to 512 bytes from pools of its own, and asks the system for 256 kB or 1 MB at a time. " +
    "Unless it was traced, such objects show only where a new pool was needed.",
  malloc: "malloc: every Python object is an allocation of its own.",
  mimalloc: "mimalloc: Python takes objects from pages of its own, which it asks the system for in large pieces. " +
    "Unless it was traced, such objects show only where a new page was needed.",
};

function fillHeading(chrome: Chrome): void {
  document.title = chrome.title;
  element("heading").textContent = chrome.title.replace(/^memray - /, "").replace(/^./, (c) => c.toUpperCase());
  const command = element("command");
  command.textContent = chrome.command;
  command.title = chrome.command;
  const badge = element("allocator");
  badge.hidden = chrome.allocator === "";
  badge.textContent = chrome.allocator + (chrome.tracesPython ? ", traced" : "");
  badge.title = allocators[chrome.allocator.split(" ")[0]] ?? "Python's allocator";
}

const noteBoxes = new Map<string, HTMLElement>();

function fillNotes(chrome: Chrome): void {
  for (const [note, box] of noteBoxes) box.hidden = !chrome.notes.includes(note);
  for (const note of chrome.notes) {
    if (noteBoxes.has(note)) continue;
    const box = make("p", note, "note");
    box.setAttribute("role", "status");
    const close = make("button", "✕", "icon");
    close.setAttribute("aria-label", "Dismiss");
    close.addEventListener("click", () => box.remove());
    box.append(close);
    element("notes").append(box);
    noteBoxes.set(note, box);
  }
}

export function fillFacts(chrome: Chrome, more: Figure[]): void {
  const figures: Figure[] = [...chrome.facts.map((fact): Figure => [fact.label, format.fact(fact)]), ...more];
  element("facts").replaceChildren(...figures.flatMap(([label, text]) => [make("dt", label), make("dd", text)]));
}

export interface Help {
  paragraphs: Figure[];
  keys: Figure[];
}

function fillHelp({ paragraphs, keys }: Help, chrome: Chrome): void {
  const help = element("help");
  for (const [title, text] of paragraphs) help.append(make("h3", title), make("p", text));
  const allocator = allocators[chrome.allocator.split(" ")[0]];
  if (allocator) help.append(make("h3", "Python's allocator"), make("p", allocator));
  help.append(make("h3", "Keys and mouse"));
  const list = make("dl", "", "keys");
  for (const [key, meaning] of keys) list.append(make("dt", key), make("dd", meaning));
  help.append(list);
}

function connectDialog(button: string, dialog: string): void {
  const box = element<HTMLDialogElement>(dialog);
  element(button).addEventListener("click", () => box.showModal());
  // A click outside closes.
  box.addEventListener("click", (event) => {
    if (event.target === box) box.close();
  });
}

export function setUpChrome(chrome: Chrome, help: Help, themeChanged: () => void): MemoryPanel {
  fillHeading(chrome);
  fillNotes(chrome);
  fillHelp(help, chrome);
  connectDialog("stats-button", "stats-dialog");
  connectDialog("help-button", "help-dialog");
  element("allocator").addEventListener("click", () => element<HTMLDialogElement>("help-dialog").showModal());
  setUpTheme(element("theme-button"), () => {
    memory.repaint();
    themeChanged();
  });
  const memory = setUpMemory(chrome);
  return memory;
}

// Of a recording that has gone on.
export function updateChrome(chrome: Chrome, memory: MemoryPanel): void {
  fillNotes(chrome);
  memory.update(chrome);
}

// Keys by name. Typing into a field and open dialogs have their own.
export function setUpKeys(shortcuts: Record<string, () => void>): void {
  const search = element<HTMLInputElement>("search");
  const all: Record<string, () => void> = {
    "/": () => search.focus(),
    "?": () => element<HTMLDialogElement>("help-dialog").showModal(),
    t: () => element("theme-button").click(),
    ...shortcuts,
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target === search) {
      if (event.key !== "Escape") return;
      search.value = "";
      search.blur();
      search.dispatchEvent(new Event("input"));
      return;
    }
    if (event.target instanceof HTMLSelectElement) return;
    const act = all[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}
