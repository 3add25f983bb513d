// What of a report is looked at: which of its trees, through which filters, in groups of what.

import { framesOf } from "../../../html_common/web/src/report";
import type { Frame } from "../../../html_common/web/src/report";
import { functionSums, unpackTree } from "./data";
import type { FunctionSums, RawTree, Report, Weights } from "./data";
import { grouping } from "./grouping";
import type { GroupBy, Grouping } from "./grouping";
import { sandwich } from "./sandwich";
import type { Sandwich } from "./sandwich";
import { makeTree } from "./tree";
import type { Filter, MadeTree } from "./tree";

export interface Choices {
  hideIrrelevant: boolean;
  hideImports: boolean;
  group: GroupBy;
  thread?: number;
}

export class View {
  readonly frames: Frame[];
  private readonly trees: [all: RawTree, withoutImports?: RawTree];
  private readonly groupings = new Map<GroupBy, Grouping>();
  private readonly imports: boolean[];
  private readonly irrelevant: boolean[];
  private readonly sums: Map<number, FunctionSums>; // by function

  constructor(private readonly report: Report) {
    this.frames = framesOf(report);
    this.imports = this.frames.map(({ role }) => role === "imports");
    this.irrelevant = this.frames.map(({ role }) => role !== "ordinary");
    this.trees = [unpackTree(report.tree), report.withoutImports && unpackTree(report.withoutImports)];
    const functions = this.grouping("function");
    this.sums = new Map([...functionSums(report)].map(([frame, sums]) => [functions.of[frame], sums]));
  }

  raw({ hideImports }: Choices): RawTree {
    return (hideImports && this.trees[1]) || this.trees[0];
  }

  grouping(by: GroupBy): Grouping {
    let known = this.groupings.get(by);
    if (!known) this.groupings.set(by, (known = grouping(this.frames, by)));
    return known;
  }

  tree(choices: Choices, weights: Weights): MadeTree {
    return makeTree(this.raw(choices), weights, this.filter(choices, this.grouping(choices.group)));
  }

  // Of the function of this frame, or, where files or modules are looked at, of its file or module.
  sandwich(choices: Choices, weights: Weights, frame: number): Sandwich {
    const groups = this.sandwichGrouping(choices);
    return sandwich(this.raw(choices), weights, this.filter(choices, groups), groups.of[frame], this.report.inverted);
  }

  sandwichGrouping({ group }: Choices): Grouping {
    return this.grouping(group === "line" ? "function" : group);
  }

  // What summary says of the frame's function.
  functionSums(frame: number): FunctionSums | undefined {
    return this.sums.get(this.grouping("function").of[frame]);
  }

  private filter(choices: Choices, groups: Grouping): Filter {
    return {
      thread: choices.thread,
      // The second tree of an inverted report is without imports already.
      hides: choices.hideImports && !this.trees[1] ? (frame) => this.imports[frame] : undefined,
      skips: choices.hideIrrelevant ? (frame) => this.irrelevant[frame] : undefined,
      groupOf: groups.of,
      joins: choices.group === "file" || choices.group === "module",
    };
  }
}
