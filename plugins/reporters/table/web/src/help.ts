// The text behind the Help button.

import type { Help } from "../../../html_common/web/src/chrome";

export const help: Help = {
  paragraphs: [
    [
      "What a row is",
      "A line of source that called an allocator, and what it held at the moment shown: the innermost function alone, whoever called it. " +
        "The flame graph shows who did.",
    ],
    [
      "Which moment",
      "The peak: the instant when the recorded program held most. A report of leaks shows what was never freed instead, one of temporary " +
        "allocations what was freed almost at once.",
    ],
    ["Totals", "Beside the filters: the sums of the rows that are shown, and their share of everything."],
  ],
  keys: [
    ["click on a heading", "sort by it, and again to turn the order round"],
    ["arrows, page keys, Home, End", "move between rows; the line at the bottom says everything about one"],
    ["/", "search functions, files, allocators and threads"],
    ["Escape", "in the search field: empty it"],
    ["t", "light or dark"],
    ["?", "this help"],
  ],
};
