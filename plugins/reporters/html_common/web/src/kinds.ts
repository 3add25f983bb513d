// Where code comes from, told by the names of functions and files.

import type { Frame } from "./report";

export type Kind = "program" | "library" | "standard" | "imports" | "native" | "none";

export const kindNames: Record<Kind, string> = {
  program: "Program",
  library: "Installed packages",
  standard: "Standard library",
  imports: "Import system",
  native: "Native code",
  none: "Merged",
};

export function kindOf(frame: Frame): Kind {
  if (frame.special) return "none";
  if (frame.native) return "native";
  if (frame.role === "imports") return "imports";
  if (/\/(site|dist)-packages\//.test(frame.file)) return "library";
  if (/^<frozen |\/lib(64)?\/python\d|\/python\d+\.zip\//.test(frame.file)) return "standard";
  return "program";
}

// The module, or the package that holds it, as one would import it; of native code its file.
export function moduleOf(frame: Frame): string {
  if (frame.special || frame.file === "") return frame.function;
  const frozen = /^<frozen ([\w.]+)>$/.exec(frame.file);
  if (frozen) return frozen[1].split(".")[0];
  if (frame.native) return frame.file.slice(frame.file.lastIndexOf("/") + 1);
  const inside = /\/(?:site|dist)-packages\/([^/]+)/.exec(frame.file) ?? /\/lib(?:64)?\/python\d[^/]*\/(?:lib-dynload\/)?([^/]+)/.exec(frame.file);
  const name = inside ? inside[1] : frame.file.slice(frame.file.lastIndexOf("/") + 1);
  return inside ? name.split(".")[0] : name;
}
