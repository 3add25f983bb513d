// Colour says where code comes from, or which module it is of. Hues of origins are those that people with any colour
// vision tell apart (after Okabe and Ito); lightness varies a little from file to file, so that neighbours differ.

import { kindNames, kindOf, moduleOf } from "../../../html_common/web/src/kinds";
import type { Kind } from "../../../html_common/web/src/kinds";
import type { Frame } from "../../../html_common/web/src/report";
import type { Theme } from "../../../html_common/web/src/theme";

export type ColourBy = "origin" | "module" | "change";

interface Hue {
  hue: number;
  saturation: number;
  lightness: number;
}

const palettes: Record<Theme, Record<Kind, Hue>> = {
  light: {
    program: { hue: 38, saturation: 92, lightness: 68 },
    library: { hue: 164, saturation: 42, lightness: 70 },
    standard: { hue: 205, saturation: 68, lightness: 76 },
    imports: { hue: 322, saturation: 42, lightness: 81 },
    native: { hue: 222, saturation: 16, lightness: 78 },
    none: { hue: 220, saturation: 8, lightness: 88 },
  },
  dark: {
    program: { hue: 36, saturation: 68, lightness: 35 },
    library: { hue: 164, saturation: 56, lightness: 25 },
    standard: { hue: 208, saturation: 52, lightness: 37 },
    imports: { hue: 322, saturation: 26, lightness: 36 },
    native: { hue: 222, saturation: 13, lightness: 38 },
    none: { hue: 220, saturation: 8, lightness: 24 },
  },
};

function css({ hue, saturation, lightness }: Hue): string {
  return `hsl(${hue} ${saturation}% ${lightness.toFixed(1)}%)`;
}

function hashOf(text: string): number {
  let hash = 0;
  for (let i = 0; i < text.length; ++i) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0;
  return Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 8;
}

function originColour(frame: Frame, theme: Theme): string {
  const hue = palettes[theme][kindOf(frame)];
  const shade = frame.special ? 0 : (hashOf(frame.file) % 7) - 3;
  return css({ ...hue, lightness: hue.lightness + shade });
}

// Twelve hues at two lightnesses each.
function moduleColour(frame: Frame, theme: Theme): string {
  if (frame.special) return css(palettes[theme].none);
  const hash = hashOf(moduleOf(frame));
  const light = Math.floor(hash / 12) % 2 === 0;
  const lightness = theme === "light" ? (light ? 82 : 70) : light ? 40 : 29;
  return css({ hue: (hash % 12) * 30 + 10, saturation: theme === "light" ? 62 : 42, lightness });
}

export function frameColours(frames: Frame[], by: ColourBy, theme: Theme): string[] {
  return frames.map((frame) => (by === "module" ? moduleColour(frame, theme) : originColour(frame, theme)));
}

// What there is in a report, for its legend.
export function legendOf(frames: Frame[], theme: Theme): [colour: string, name: string][] {
  const present = new Set(frames.map(kindOf));
  const kinds = (Object.keys(kindNames) as Kind[]).filter((kind) => kind !== "none" && present.has(kind));
  return kinds.map((kind) => [css(palettes[theme][kind]), kindNames[kind]]);
}
