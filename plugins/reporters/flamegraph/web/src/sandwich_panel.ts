// Callers and callees of one function: two graphs around it.

import { element } from "../../../html_common/web/src/dom";
import * as format from "../../../html_common/web/src/format";
import type { Weights } from "./data";
import { Graph } from "./graph";
import type { Picture } from "./graph";
import type { Grouping } from "./grouping";
import type { Metric } from "./metrics";
import type { Colours } from "./painter";
import type { Sandwich } from "./sandwich";
import type { Tree } from "./tree";
import type { Choices, View } from "./view";

export interface SandwichListener {
  chosen(frame: number): void; // of the report
  pointed(tree: Tree, node: number | undefined, event?: PointerEvent): void;
  focused(tree: Tree, node: number): void;
  picture(tree: Tree, groups: Grouping): Picture;
}

export class SandwichPanel {
  groups: Grouping;
  private trees: Sandwich | undefined;
  private readonly callers: Graph;
  private readonly callees: Graph;

  constructor(
    private readonly view: () => View,
    colours: Colours,
    private readonly listener: SandwichListener,
  ) {
    this.groups = view().grouping("function");
    this.callers = this.graph("callers", true, colours);
    this.callees = this.graph("callees", false, colours);
  }

  get shown(): boolean {
    return this.trees !== undefined;
  }

  // Only while shown.
  get tree(): Tree {
    return this.trees!.callees;
  }

  // `still`: the same function as before, with other figures.
  show(frame: number | undefined, choices: Choices, weights: Weights, metric: Metric, still = false): void {
    element("both").hidden = frame === undefined;
    this.trees = undefined;
    if (frame === undefined) return;
    this.groups = this.view().sandwichGrouping(choices);
    this.trees = this.view().sandwich(choices, weights, frame);
    for (const [graph, tree] of [[this.callers, this.trees.callers], [this.callees, this.trees.callees]] as const) {
      const picture = this.listener.picture(tree, this.groups);
      if (still) graph.update(picture, 0, 0);
      else graph.show(picture);
    }
    this.fillTitles(frame, choices, metric);
  }

  setColours(colours: Colours): void {
    this.callers.setColours(colours);
    this.callees.setColours(colours);
  }

  setMatches(matches: Uint8Array | undefined): void {
    this.callers.setMatches(matches);
    this.callees.setMatches(matches);
  }

  // For tests.
  describe(): Record<"callers" | "callees", { name: string; depth: number; bytes: number }[]> | undefined {
    const list = (tree: Tree) =>
      Array.from(tree.frame, (frame, i) => ({
        name: this.groups.frames[frame].function,
        depth: tree.depth[i],
        bytes: tree.values.bytes[i],
      }));
    return this.trees && { callers: list(this.trees.callers), callees: list(this.trees.callees) };
  }

  private fillTitles(frame: number, choices: Choices, metric: Metric): void {
    const name = this.groups.frames[this.groups.of[frame]].function;
    const whole = this.tree.values[metric.key][0];
    element("callers-title").textContent = `Who calls ${name}, and for how much of its ${metric.text(whole)}`;
    element("callees-title").textContent = `What ${name} calls${this.exact(frame, choices, whole, metric)}`;
  }

  // Boxes too small to be kept are not in these trees; the function's own sums are exact.
  private exact(frame: number, choices: Choices, whole: number, metric: Metric): string {
    const sums = choices.thread === undefined && this.groups.by === "function" ? this.view().functionSums(frame) : undefined;
    if (!sums) return "";
    const total = metric.key === "bytes" ? sums.total : sums.count;
    const own = `; ${format.bytes(sums.own)} allocated in it directly`;
    return total > whole ? `${own}; ${metric.text(total - whole)} more in boxes too small to be shown` : own;
  }

  private graph(id: "callers" | "callees", flames: boolean, colours: Colours): Graph {
    const tree = () => this.trees![id];
    const graph = new Graph(element(id), flames, colours, {
      chosen: (node) => {
        const frame = this.groups.frames[tree().frame[node]];
        const chosen = this.groups.of.indexOf(tree().frame[node]);
        if (!frame.special) this.listener.chosen(chosen);
      },
      pointed: (node, event) => this.trees && this.listener.pointed(tree(), node, event),
      focused: (node) => this.listener.focused(tree(), node),
    });
    return graph;
  }
}
