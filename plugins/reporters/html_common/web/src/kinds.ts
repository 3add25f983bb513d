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

export function isImportSystem(frame: Frame): boolean {
  return frame.file.includes("frozen importlib");
}

const dispatch = new Set([
  "type_call", "slot_tp_call", "slot_tp_init", "PyObject_Call", "PyObject_CallFunction", "PyObject_CallFunctionObjArgs", "PyObject_CallMethod",
  "PyObject_CallMethodObjArgs", "PyObject_CallObject", "PyObject_CallNoArgs", "PyObject_CallOneArg", "PyVectorcall_Call", "PyVectorcall_Function",
  "PyEval_EvalCode", "method_call", "cfunction_call", "object_vacall", "builtin_exec", "builtin___build_class__", "wrapper_call", "wrapperdescr_call",
  "wrapperdescr_raw_call", "methoddescr_call", "classmethoddescr_call", "run_mod", "run_eval_code_obj", "pymain_run_python", "pymain_run_file",
  "pymain_run_file_obj", "pymain_run_module", "pymain_main", "pyrun_file", "pyrun_simple_file", "Py_RunMain", "Py_BytesMain", "gen_iternext",
  "gen_send_ex", "gen_send_ex2", "method_vectorcall", "call_function", "do_call_core", "trampoline",
]);

// The interpreter's own functions between one Python function and the next.
export function isMachinery(frame: Frame): boolean {
  if (!frame.native) return false;
  const inInterpreter =
    (/(Include|Objects|Modules|Python|cpython)/.test(frame.file) && /\.[ch]$/.test(frame.file)) || /\/(lib)?python3?[^/]*$/.test(frame.file);
  if (!inInterpreter) return false;
  const name = frame.function.replace(/\.(part|constprop|isra|cold|lto_priv|llvm)\..*$|\.cold$/, "");
  return (
    /^(PyEval|_Py|_TAIL_CALL_)/.test(name) || /vectorcall/i.test(name) || frame.file.endsWith("Objects/call.c") || dispatch.has(name)
  );
}

// What few people look for in a stack: how a script or module was started, how imports work, and the interpreter itself.
export function isIrrelevant(frame: Frame): boolean {
  return isImportSystem(frame) || isMachinery(frame) || frame.file === "<frozen runpy>" || frame.file.endsWith("/runpy.py");
}

export function kindOf(frame: Frame): Kind {
  if (frame.special) return "none";
  if (frame.native) return "native";
  if (isImportSystem(frame)) return "imports";
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
