// Colour says where code comes from. Hues are those that people with any colour vision tell apart (after Okabe and Ito);
// lightness varies a little from file to file, so that neighbours differ.

import type { Frame } from "./data";

export type Kind = "program" | "library" | "standard" | "imports" | "native" | "none";
export type Theme = "light" | "dark";

export const kindNames: Record<Kind, string> = {
  program: "Program",
  library: "Installed packages",
  standard: "Standard library",
  imports: "Import system",
  native: "Native code",
  none: "Merged",
};

export function isImportSystem(frame: Frame): boolean {
  return frame.file.includes("frozen importlib");
}

export function kindOf(frame: Frame): Kind {
  if (frame.special) return "none";
  if (frame.native) return "native";
  if (isImportSystem(frame)) return "imports";
  if (/\/(site|dist)-packages\//.test(frame.file)) return "library";
  if (/^<frozen |\/lib(64)?\/python\d|\/python\d+\.zip\//.test(frame.file)) return "standard";
  return "program";
}

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

export function kindColour(kind: Kind, theme: Theme, shade = 0): string {
  const { hue, saturation, lightness } = palettes[theme][kind];
  return `hsl(${hue} ${saturation}% ${(lightness + shade).toFixed(1)}%)`;
}

// From -3 to 3, by the file's name.
export function shadeOf(frame: Frame): number {
  let hash = 0;
  for (let i = 0; i < frame.file.length; ++i) hash = (hash * 31 + frame.file.charCodeAt(i)) | 0;
  return ((hash >>> 8) % 7) - 3;
}

export function frameColours(frames: Frame[], theme: Theme): string[] {
  return frames.map((frame) => kindColour(kindOf(frame), theme, frame.special ? 0 : shadeOf(frame)));
}
