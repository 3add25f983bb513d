// Paints boxes on a canvas. Knows pixels and colours, but neither the tree nor what a user does.

import * as format from "../../../html_common/web/src/format";
import type { Frame } from "../../../html_common/web/src/report";
import type { Box } from "./layout";

export const rowHeight = 20;
const font = "12px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace";
const padding = 6;
const shortestLabel = 3; // characters

export interface Colours {
  text: string;
  dimText: string;
  background: string;
  match: string;
  matchText: string;
  ring: string;
}

export interface Scene {
  boxes: Box[];
  frameOf: (node: number) => number;
  colour: (node: number) => string;
  share: (node: number) => string; // shown at the right of wide boxes
  top: (depth: number) => number; // y of a row
  faded: (node: number) => boolean;
  matches: Uint8Array | undefined; // by frame; undefined: nothing is searched
  hovered: number | undefined;
  focused: number | undefined;
}

export class Painter {
  private readonly context: CanvasRenderingContext2D;
  private ratio = 1;
  private width = 0;
  private height = 0;
  private characterWidth = 7;

  constructor(private readonly canvas: HTMLCanvasElement) {
    this.context = canvas.getContext("2d", { alpha: false })!;
  }

  resize(width: number, height: number): void {
    this.ratio = window.devicePixelRatio || 1;
    this.width = width;
    this.height = height;
    this.canvas.width = Math.round(width * this.ratio);
    this.canvas.height = Math.round(height * this.ratio);
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    this.context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    this.context.font = font;
    this.context.textBaseline = "middle";
    this.characterWidth = this.context.measureText("M").width;
  }

  paint(scene: Scene, frames: Frame[], colours: Colours): void {
    const { context } = this;
    context.globalAlpha = 1;
    context.fillStyle = colours.background;
    context.fillRect(0, 0, this.width, this.height);
    for (const box of scene.boxes) this.paintBox(box, scene, frames, colours);
    context.globalAlpha = 1;
    this.paintRing(scene, scene.hovered, colours.text, 1);
    this.paintRing(scene, scene.focused, colours.ring, 2);
  }

  private paintBox(box: Box, scene: Scene, frames: Frame[], colours: Colours): void {
    const { context } = this;
    const frame = scene.frameOf(box.node);
    const matches = scene.matches?.[frame] === 1;
    const left = this.snap(box.x);
    const right = this.snap(box.x + box.width);
    const gap = right - left > 3 ? 1 : 0;
    const top = scene.top(box.depth);

    context.globalAlpha = scene.matches && !matches ? 0.38 : scene.faded(box.node) ? 0.6 : 1;
    context.fillStyle = matches ? colours.match : scene.colour(box.node);
    context.fillRect(left, top, Math.max(right - left - gap, 1 / this.ratio), rowHeight - 1);

    const room = right - left - gap - 2 * padding;
    if (room < shortestLabel * this.characterWidth) return;
    context.globalAlpha = scene.matches && !matches ? 0.7 : 1;
    const text = matches ? colours.matchText : colours.text;
    this.paintLabel(frames[frame], scene.share(box.node), left + padding, top + rowHeight / 2, room, text, {
      dim: matches ? colours.matchText : colours.dimText,
    });
  }

  private paintLabel(
    frame: Frame,
    share: string,
    x: number,
    y: number,
    room: number,
    colour: string,
    { dim }: { dim: string },
  ): void {
    const { context } = this;
    const name = this.fit(frame.function, room);
    context.fillStyle = colour;
    context.fillText(name, x, y);
    let used = this.measure(name);

    context.fillStyle = dim;
    const place = format.place(frame, format.baseName(frame.file));
    if (place !== "" && place !== frame.function && used + this.measure(place) + 2 * this.characterWidth <= room) {
      context.fillText(place, x + used + this.characterWidth, y);
      used += this.characterWidth + this.measure(place);
    }
    const left = room - used - this.measure(share) - 3 * this.characterWidth;
    if (left < 0) return;
    context.fillText(share, x + room - this.measure(share), y);
    if (frame.source !== "" && left > 12 * this.characterWidth) {
      context.fillText(this.fit(frame.source, left), x + used + 2 * this.characterWidth, y);
    }
  }

  private paintRing(scene: Scene, node: number | undefined, colour: string, thickness: number): void {
    const box = node === undefined ? undefined : scene.boxes.find((candidate) => candidate.node === node);
    if (!box) return;
    const left = this.snap(box.x);
    const width = Math.max(this.snap(box.x + box.width) - left - 1, 2);
    this.context.strokeStyle = colour;
    this.context.lineWidth = thickness;
    const inset = thickness / 2;
    this.context.strokeRect(
      left + inset,
      scene.top(box.depth) + inset,
      Math.max(width - thickness, 1),
      rowHeight - 1 - thickness,
    );
  }

  // As much of the text as there is room for. Most names are ASCII, whose width needs no measuring.
  private fit(text: string, room: number): string {
    if (this.measure(text) <= room) return text;
    let length = Math.min(text.length, Math.floor(room / this.characterWidth) - 1);
    while (length > 0 && this.measure(text.slice(0, length)) > room - this.characterWidth) --length;
    return length > 0 ? `${text.slice(0, length)}…` : "";
  }

  private measure(text: string): number {
    return /^[\x00-\x7f…]*$/.test(text) ? text.length * this.characterWidth : this.context.measureText(text).width;
  }

  private snap(x: number): number {
    return Math.round(x * this.ratio) / this.ratio;
  }
}
