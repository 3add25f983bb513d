// Tens of thousands of rows, of which the page holds those that are visible.
//
// Rows are all of one height, so which are visible is a division. They are elements of an empty block of the whole
// height, each at its place, so the browser scrolls as it always does.

import { make } from "../../../html_common/web/src/dom";
import type { Row } from "./rows";

export const rowHeight = 28;
const around = 8; // rows beyond the visible ones, so that scrolling by a little shows no gap

export interface GridListener {
  cells(row: Row): HTMLElement[];
  chosen(row: Row | undefined): void;
}

export class Grid {
  private rows: Row[] = [];
  private active = -1;
  private readonly shown = new Map<number, HTMLElement>();

  constructor(
    private readonly scroller: HTMLElement,
    private readonly body: HTMLElement,
    private readonly headHeight: () => number,
    private readonly listener: GridListener,
  ) {
    scroller.addEventListener("scroll", () => this.fill());
    new ResizeObserver(() => this.fill()).observe(scroller);
    scroller.addEventListener("keydown", (event) => this.key(event));
  }

  show(rows: Row[]): void {
    this.scroller.scrollTop = 0;
    this.replace(rows, -1);
  }

  // Other figures for what is looked at: it is not scrolled, and the chosen row stays so, where `same` finds it again.
  update(rows: Row[], same: (a: Row, b: Row) => boolean): void {
    const chosen = this.rows[this.active];
    this.replace(rows, chosen ? rows.findIndex((row) => same(row, chosen)) : -1);
  }

  // Elements that are there are used again: a button that is pressed before and released afterwards has clicked.
  private replace(rows: Row[], active: number): void {
    this.rows = rows;
    this.active = active;
    for (const [i, element] of this.shown) if (i < rows.length) this.write(element, i);
    this.body.style.height = `${rows.length * rowHeight}px`;
    this.scroller.setAttribute("aria-rowcount", String(rows.length + 1));
    this.body.querySelector(".nothing")?.remove();
    if (rows.length === 0) this.body.append(make("p", "Nothing to show.", "nothing"));
    this.fill();
    this.listener.chosen(rows[active]);
  }

  private write(element: HTMLElement, i: number): void {
    element.setAttribute("aria-selected", String(i === this.active));
    element.replaceChildren(...this.listener.cells(this.rows[i]));
  }

  private fill(): void {
    const first = Math.max(0, Math.floor(this.scroller.scrollTop / rowHeight) - around);
    const last = Math.min(this.rows.length, Math.ceil((this.scroller.scrollTop + this.scroller.clientHeight) / rowHeight) + around);
    for (const [i, element] of this.shown) {
      if (i >= first && i < last) continue;
      element.remove();
      this.shown.delete(i);
    }
    for (let i = first; i < last; ++i) if (!this.shown.has(i)) this.add(i);
  }

  private add(i: number): void {
    const element = make("div", "", "row");
    element.id = `row-${i}`;
    element.setAttribute("role", "row");
    element.setAttribute("aria-rowindex", String(i + 2));
    element.style.top = `${i * rowHeight}px`;
    this.write(element, i);
    element.addEventListener("click", () => this.choose(i));
    this.shown.set(i, element);
    this.body.append(element);
  }

  private choose(i: number): void {
    this.shown.get(this.active)?.setAttribute("aria-selected", "false");
    this.active = i;
    const { scroller } = this;
    const top = i * rowHeight;
    const room = scroller.clientHeight - this.headHeight() - rowHeight;
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    else if (top > scroller.scrollTop + room) scroller.scrollTop = top - room;
    this.fill();
    this.shown.get(i)?.setAttribute("aria-selected", "true");
    scroller.setAttribute("aria-activedescendant", `row-${i}`);
    this.listener.chosen(this.rows[i]);
  }

  private key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target !== this.scroller || this.rows.length === 0) return;
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / rowHeight) - 2);
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    this.choose(Math.min(Math.max(this.active + step, 0), this.rows.length - 1));
  }
}
