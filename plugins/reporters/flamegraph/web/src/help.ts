// The text behind the Help button.

import type { Help } from "../../../html_common/web/src/chrome";

export const help: Help = {
  paragraphs: [
    [
      "What a box is",
      "A function at one line of its source. Its width is the memory (or the number of allocations) that it and everything it called " +
        "held at the moment shown.",
    ],
    [
      "Which moment",
      "The peak: the instant when the recorded program held most. A report of leaks shows what was never freed instead, one of temporary " +
        "allocations what was freed almost at once.",
    ],
    [
      "Callers and callees",
      "What a function called hangs below it (icicles) or stands on it (flames). In an inverted graph it is the other way round: " +
        "the functions that allocated are next to the root, and their callers follow. The button of that name takes one function, wherever it is " +
        "called, and shows all that led to it above, and all it led to below.",
    ],
    ["Colour", "Where the code comes from, as the legend at the bottom says; shades tell files apart. Or the module."],
    ["Bare edges", "Where boxes do not fill the width of the one they belong to, the rest was allocated by that function itself."],
    [
      "What is hidden",
      "How the script was started, how imports work, and the interpreter's own functions: what they hold shows with their callers. " +
        "Boxes too small to be seen are taken together as “(merged)”.",
    ],
  ],
  keys: [
    ["click, Enter", "zoom into a box"],
    ["Escape", "show everything again"],
    ["Alt ←, Alt →", "previous and next zoom (browser history)"],
    ["arrows, Home", "move between boxes; back to the root"],
    ["c", "callers and callees of the box under the keyboard, or else the zoomed one"],
    ["/", "search"],
    ["b, a", "widths by bytes, by allocations"],
    ["f", "flames or icicles"],
    ["t", "light or dark"],
    ["?", "this help"],
  ],
};

export const differenceHelp: Help = {
  paragraphs: [
    [
      "What a box is",
      "A function, wherever its lines have moved to. Its figure is the change: what it and everything it called held afterwards, less what " +
        "they held before.",
    ],
    ["Widths", "The larger of the two sides, so that what is gone is still to be seen; or one side; or the change alone, whichever way it went."],
    ["Colour", "Orange grew, blue shrank, grey stayed; the stronger, the more of it is change."],
    ...help.paragraphs.filter(([title]) => title === "Callers and callees" || title === "What is hidden"),
  ],
  keys: help.keys.map(([key, meaning]) => (key === "b, a" ? [key, "widths before, after"] : [key, meaning])),
};
