// Numbers as people read them.

import type { Fact, Frame } from "./report";

export function bytes(value: number): string {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let unit = 0;
  while (value >= 999.95 && unit + 1 < units.length) {
    value /= 1000;
    ++unit;
  }
  return unit === 0 ? `${value} B` : `${value.toFixed(1)} ${units[unit]}`;
}

// With its sign: what grew or shrank.
export function change(value: number, text: (size: number) => string): string {
  return value === 0 ? "±0" : `${value > 0 ? "+" : "−"}${text(Math.abs(value))}`;
}

export function count(value: number): string {
  return value.toLocaleString("en").replace(/,/g, "\u202f");
}

export function allocations(value: number): string {
  return `${count(value)} allocation${value === 1 ? "" : "s"}`;
}

export function percent(part: number, whole: number): string {
  const share = whole > 0 ? (100 * part) / whole : 0;
  if (share > 0 && share < 0.01) return "< 0.01 %";
  return `${share.toFixed(share < 10 ? 2 : 1)} %`;
}

export function duration(milliseconds: number): string {
  if (milliseconds < 1000) return `${milliseconds} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
  const whole = Math.round(seconds);
  const pad = (value: number) => String(value).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  return minutes < 60
    ? `${minutes}:${pad(whole % 60)} min`
    : `${Math.floor(minutes / 60)}:${pad(minutes % 60)}:${pad(whole % 60)} h`;
}

export function fact({ unit, value }: Fact): string {
  if (typeof value === "string") return value;
  switch (unit) {
    case "bytes":
      return value < 1000 ? bytes(value) : `${bytes(value)} (${count(value)} B)`;
    case "milliseconds":
      return duration(value);
    case "epoch":
      return new Date(value).toLocaleString();
    default:
      return count(value);
  }
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

export function place(frame: Frame, file: string = frame.file): string {
  return file === "" || frame.whole ? "" : frame.line > 0 ? `${file}:${frame.line}` : file;
}
