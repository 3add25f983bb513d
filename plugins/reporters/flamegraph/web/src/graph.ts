// The flame graph on screen: which part of the tree is looked at, and what pointer, wheel and keys do to it.
//
// The canvas is as large as what is visible; the element that scrolls holds an empty block of the picture's full height,
// so a stack of ten thousand frames costs no more than one of ten.

import type { Frame } from "../../../html_common/web/src/report";
import { boxes, nodeAt, starts, windowOf } from "./layout";
import type { Box, Window } from "./layout";
import { move } from "./navigation";
import type { Move } from "./navigation";
import { Painter, rowHeight } from "./painter";
import type { Colours, Scene } from "./painter";
import { isWithin } from "./tree";
import type { Tree } from "./tree";

const narrowest = 1; // pixels
const transition = 250; // milliseconds
const contextRows = 3; // callers that stay visible above a frame that is scrolled to

// What is drawn, and how.
export interface Picture {
  tree: Tree;
  frames: Frame[];
  values: Float64Array; // widths
  share: (node: number) => string; // at the right of wide boxes
  colour: (node: number) => string;
}

export interface GraphListener {
  chosen(node: number): void; // clicked, or Enter
  pointed(node: number | undefined, event?: PointerEvent): void;
  focused(node: number): void;
}

const empty: Picture = {
  tree: { size: 0, id: none(), depth: none(), parent: none(), end: none(), frame: none(), thread: none(), values: {} },
  frames: [],
  values: new Float64Array(0),
  share: () => "",
  colour: () => "",
};

function none(): Uint32Array {
  return new Uint32Array(0);
}

export class Graph {
  private picture: Picture = empty;
  private start = new Float64Array(0);
  private window: Window = { from: 0, to: 1 };
  private zoomed = 0;
  private rows = 1;
  private matches: Uint8Array | undefined;
  private hovered: number | undefined;
  private pointer: PointerEvent | undefined; // while it is over the picture
  private focus = 0;
  private focusVisible = false;
  private animation = 0;
  private requested = false;
  private readonly painter: Painter;
  private readonly extent: HTMLElement;
  private readonly canvas: HTMLCanvasElement;

  constructor(
    private readonly scroller: HTMLElement,
    private flames: boolean,
    private colours: Colours,
    private readonly listener: GraphListener,
  ) {
    this.canvas = scroller.querySelector("canvas")!;
    this.extent = scroller.querySelector<HTMLElement>(".extent")!;
    this.painter = new Painter(this.canvas);
    new ResizeObserver(() => this.resize()).observe(scroller);
    this.resize();
    this.listen();
  }

  show(picture: Picture, zoomed = 0): void {
    this.picture = picture;
    this.start = starts(picture.tree, picture.values);
    this.hovered = undefined;
    this.focus = zoomed;
    this.zoom(zoomed, false);
  }

  // Other figures for what is looked at: nothing moves but boxes.
  update(picture: Picture, zoomed: number, focus: number): void {
    this.picture = picture;
    this.start = starts(picture.tree, picture.values);
    this.zoomed = zoomed;
    this.focus = focus;
    const below = this.extent.offsetHeight - this.scroller.scrollTop;
    const target = windowOf(this.start, picture.values, zoomed);
    this.measure(target);
    if (this.flames) this.scroller.scrollTop = this.extent.offsetHeight - below;
    this.travel(target, false);
    this.hovered = undefined;
    if (this.pointer) this.point(this.nodeAt(this.pointer), this.pointer);
  }

  zoom(node: number, animated = true): void {
    this.zoomed = node;
    this.hovered = undefined;
    if (!isWithin(this.picture.tree, this.focus, node)) this.focus = node;
    const target = windowOf(this.start, this.picture.values, node);
    this.measure(target);
    this.reveal(node);
    this.travel(target, animated && !matchMedia("(prefers-reduced-motion: reduce)").matches);
  }

  setFlames(flames: boolean): void {
    this.flames = flames;
    this.scroller.scrollTop = flames ? this.extent.offsetHeight : 0;
    this.reveal(this.zoomed);
    this.request();
  }

  setMatches(matches: Uint8Array | undefined): void {
    this.matches = matches;
    this.request();
  }

  setColours(colours: Colours): void {
    this.colours = colours;
    this.request();
  }

  // Where a node is on the canvas now, if it is wide enough to be there.
  box(node: number): (Box & { y: number }) | undefined {
    const box = this.visible(0, Infinity).find((candidate) => candidate.node === node);
    return box && { ...box, y: this.top(box.depth) };
  }

  get zoomedNode(): number {
    return this.zoomed;
  }

  get focusedNode(): number {
    return this.focus;
  }

  // What the line at the bottom is about: what is pointed at, by pointer or keyboard, or else all.
  get pointedNode(): number {
    return this.hovered ?? (this.focusVisible ? this.focus : this.zoomed);
  }

  private get height(): number {
    return this.scroller.clientHeight;
  }

  private get width(): number {
    return this.scroller.clientWidth;
  }

  private resize(): void {
    this.painter.resize(this.width, this.height);
    this.measure(windowOf(this.start, this.picture.values, this.zoomed));
    this.paint();
  }

  // How tall the picture is when this window is looked at.
  private measure(window: Window): void {
    const all = boxes(this.picture.tree, this.start, this.picture.values, window, this.width, 0, Infinity, narrowest);
    this.rows = all.reduce((deepest, box) => Math.max(deepest, box.depth + 1), 1);
    this.extent.style.height = `${this.rows * rowHeight}px`;
  }

  private top(depth: number): number {
    const { scrollTop } = this.scroller;
    const y = this.flames
      ? Math.max(this.rows * rowHeight, this.height) - (depth + 1) * rowHeight
      : depth * rowHeight;
    return y - scrollTop;
  }

  private reveal(node: number): void {
    const { scroller } = this;
    const depth = this.picture.tree.depth[node];
    const y = this.top(depth);
    const margin = contextRows * rowHeight;
    if (y >= 0 && y + margin <= this.height) return;
    scroller.scrollTop += this.flames ? y + rowHeight + margin - this.height : y - margin;
  }

  private travel(target: Window, animated: boolean): void {
    cancelAnimationFrame(this.animation);
    const origin = this.window;
    if (!animated) {
      this.window = target;
      this.request();
      return;
    }
    const began = performance.now();
    const step = (now: number) => {
      const progress = Math.min(1, Math.max(0, (now - began) / transition));
      const eased = 1 - (1 - progress) ** 3;
      this.window = {
        from: origin.from + (target.from - origin.from) * eased,
        to: origin.to + (target.to - origin.to) * eased,
      };
      this.paint();
      if (progress < 1) this.animation = requestAnimationFrame(step);
    };
    this.animation = requestAnimationFrame(step);
  }

  private visible(firstDepth: number, lastDepth: number): Box[] {
    return boxes(this.picture.tree, this.start, this.picture.values, this.window, this.width, firstDepth, lastDepth, narrowest);
  }

  private request(): void {
    if (this.requested) return;
    this.requested = true;
    requestAnimationFrame(() => {
      this.requested = false;
      this.paint();
    });
  }

  private paint(): void {
    const edges = [this.depthAt(0), this.depthAt(this.height)];
    const zoomDepth = this.picture.tree.depth[this.zoomed] ?? 0;
    const scene: Scene = {
      boxes: this.visible(Math.min(...edges) - 1, Math.max(...edges) + 1),
      frameOf: (node) => this.picture.tree.frame[node],
      colour: this.picture.colour,
      share: this.picture.share,
      top: (depth) => this.top(depth),
      faded: (node) => this.picture.tree.depth[node] < zoomDepth,
      matches: this.matches,
      hovered: this.hovered,
      focused: this.focusVisible ? this.focus : undefined,
    };
    this.painter.paint(scene, this.picture.frames, this.colours);
  }

  private depthAt(y: number): number {
    const depth = Math.floor((y - this.top(0)) / rowHeight);
    return this.flames ? -depth : depth;
  }

  private nodeAt(event: PointerEvent | MouseEvent): number | undefined {
    const area = this.canvas.getBoundingClientRect();
    const x = event.clientX - area.left;
    const place = this.window.from + (x / this.width) * (this.window.to - this.window.from);
    return nodeAt(this.picture.tree, this.start, this.picture.values, place, this.depthAt(event.clientY - area.top));
  }

  private point(node: number | undefined, event?: PointerEvent): void {
    this.pointer = event;
    if (node !== this.hovered) {
      this.hovered = node;
      this.request();
    }
    this.scroller.style.cursor = node === undefined ? "default" : "pointer";
    this.listener.pointed(node, event);
  }

  private listen(): void {
    const { scroller } = this;
    scroller.addEventListener("pointermove", (event) => this.point(this.nodeAt(event), event));
    scroller.addEventListener("pointerleave", () => this.point(undefined));
    scroller.addEventListener("scroll", () => {
      this.point(undefined);
      this.paint();
    });
    scroller.addEventListener("click", (event) => {
      const node = this.nodeAt(event);
      if (node === undefined) return;
      this.focus = node;
      this.focusVisible = false;
      this.listener.chosen(node);
    });
    scroller.addEventListener("keydown", (event) => this.key(event));
    scroller.addEventListener("focus", () => {
      this.focusVisible = scroller.matches(":focus-visible");
      this.request();
    });
    scroller.addEventListener("blur", () => {
      this.focusVisible = false;
      this.request();
    });
  }

  private key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const moves: Record<string, Move> = {
      ArrowLeft: "previous",
      ArrowRight: "next",
      ArrowUp: this.flames ? "callee" : "caller",
      ArrowDown: this.flames ? "caller" : "callee",
    };
    const direction = moves[event.key];
    if (direction !== undefined) this.moveFocus(direction);
    else if (event.key === "Home") this.setFocus(0);
    else if (event.key === "Enter" || event.key === " ") this.listener.chosen(this.focus);
    else return;
    event.preventDefault();
  }

  private moveFocus(direction: Move): void {
    const shown = new Set(this.visible(0, Infinity).map((box) => box.node));
    this.setFocus(move(this.picture.tree, this.focus, direction, (node) => shown.has(node)));
  }

  private setFocus(node: number): void {
    this.focus = node;
    this.focusVisible = true;
    this.reveal(node);
    this.request();
    this.listener.focused(node);
  }
}
