// The part of the recording that is looked at: chosen on the chart by dragging, or with the two handles at its ends, which
// arrow keys move as well.

import { element, make } from "../../../html_common/web/src/dom";
import * as format from "../../../html_common/web/src/format";
import type { MemoryPanel } from "../../../html_common/web/src/memory";
import type { RawTree, Slots, Weights } from "./data";
import { heldIn, highestSlot, leakedIn, nearestEdge } from "./temporal";

export class RangePanel {
  private first = 0; // edges
  private last: number;
  private readonly handles: HTMLElement[];

  constructor(
    private readonly slots: Slots,
    private readonly memory: MemoryPanel,
    private readonly changed: () => void,
  ) {
    this.last = this.slotCount;
    memory.strip.classList.add("tall");
    element("range").hidden = false;
    this.handles = ["From", "To"].map((label, i) => this.handle(label, i));
    memory.strip.append(...this.handles);
    this.listen();
    element("range-peak").addEventListener("click", () => this.jumpToPeak());
    element("range-all").addEventListener("click", () => this.choose(0, this.slotCount));
    element("range-peak").hidden = slots.kind === "leaks";
    this.show();
    new ResizeObserver(() => this.show()).observe(memory.canvas);
  }

  // The slot that is shown.
  get slot(): number {
    return highestSlot(this.slots, this.first, this.last);
  }

  weights({ size, intervals }: RawTree): Weights {
    return this.slots.kind === "leaks"
      ? leakedIn(size, intervals!, this.first, this.last)
      : heldIn(size, intervals!, this.slot);
  }

  choose(first: number, last: number): void {
    const limit = this.slotCount;
    [first, last] = [Math.max(0, Math.min(first, last, limit - 1)), Math.min(limit, Math.max(first, last))];
    last = Math.max(last, first + 1);
    if (first === this.first && last === this.last) return;
    [this.first, this.last] = [first, last];
    this.show();
    this.changed();
  }

  // To the highest moment of the whole recording, a twentieth of it on either side.
  jumpToPeak(): void {
    const slot = highestSlot(this.slots, 0, this.slotCount);
    const around = Math.ceil(this.slotCount / 20);
    this.choose(slot - around, slot + 1 + around);
  }

  // For the headline.
  get moment(): string {
    const { edges } = this.slots;
    return this.slots.kind === "leaks" ? `not freed by ${format.duration(Math.round(edges[this.last]))}` : `at ${this.slotTime}`;
  }

  private get slotCount(): number {
    return this.slots.edges.length - 1;
  }

  private get slotTime(): string {
    return format.duration(Math.round(this.slots.edges[this.slot]));
  }

  private show(): void {
    const { edges, highWater } = this.slots;
    const span = { from: edges[this.first], to: edges[this.last] };
    this.memory.mark({
      chosen: span,
      shaded: this.slots.kind === "leaks" ? undefined : { from: edges[this.slot], to: edges[this.slot + 1] },
      peak: undefined,
    });
    [span.from, span.to].forEach((time, i) => {
      const handle = this.handles[i];
      handle.style.left = `${this.memory.canvas.offsetLeft + this.memory.positionOf(time)}px`;
      handle.setAttribute("aria-valuenow", String(i === 0 ? this.first : this.last));
      handle.setAttribute("aria-valuetext", format.duration(Math.round(time)));
    });
    const range = `${format.duration(Math.round(span.from))} to ${format.duration(Math.round(span.to))}`;
    element("range-text").textContent =
      this.slots.kind === "leaks"
        ? `Allocated from ${range} and not freed by then`
        : `From ${range} most was held at ${this.slotTime}: ${format.bytes(highWater[this.slot])}, shown below`;
  }

  private handle(label: string, end: number): HTMLElement {
    const handle = make("div", "", "handle");
    handle.tabIndex = 0;
    for (const [name, value] of Object.entries({ role: "slider", "aria-label": label, "aria-valuemin": "0", "aria-valuemax": String(this.slotCount) })) {
      handle.setAttribute(name, value);
    }
    handle.addEventListener("keydown", (event) => {
      const large = Math.max(1, Math.round(this.slotCount / 20));
      const steps: Record<string, number> = {
        ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -large, PageUp: large, Home: -Infinity, End: Infinity,
      };
      const step = steps[event.key];
      if (step === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      event.stopPropagation();
      if (end === 0) this.choose(Math.min(Math.max(this.first + step, 0), this.last - 1), this.last);
      else this.choose(this.first, Math.max(Math.min(this.last + step, this.slotCount), this.first + 1));
    });
    return handle;
  }

  private listen(): void {
    const { strip, canvas } = this.memory;
    let anchor: number | undefined; // the edge that stays while the pointer moves
    const edgeAt = (event: PointerEvent) => nearestEdge(this.slots, this.memory.timeAt(event.clientX));
    strip.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      const handle = this.handles.indexOf(event.target as HTMLElement);
      anchor = handle === 0 ? this.last : handle === 1 ? this.first : event.target === canvas ? edgeAt(event) : undefined;
      if (anchor !== undefined) strip.setPointerCapture(event.pointerId);
    });
    let requested: [number, number] | undefined;
    strip.addEventListener("pointermove", (event) => {
      if (anchor === undefined) return;
      if (!requested) {
        requestAnimationFrame(() => {
          const [from, to] = requested!;
          requested = undefined;
          if (from !== to) this.choose(from, to);
        });
      }
      requested = [anchor, edgeAt(event)];
    });
    for (const over of ["pointerup", "pointercancel"]) strip.addEventListener(over, () => (anchor = undefined));
  }
}
