// What a frame does for whoever reads the stack.
//
// Stacks with native frames are full of the interpreter's own functions between one Python function and the next. They
// are told by two things together: the file belongs to the interpreter (one of its source folders, or, without line
// information, its executable or library), and the name is of the kind that passes calls on. Either alone would also
// hit what people want to see: an extension's functions in a folder "Python", or the interpreter's own `list_resize`.

#include <memray/query.h>

#include <algorithm>
#include <iterator>

namespace memray {
namespace {

constexpr std::string_view kPassOn[] = {
    "PyEval_EvalCode",
    "PyObject_Call",
    "PyObject_CallFunction",
    "PyObject_CallFunctionObjArgs",
    "PyObject_CallMethod",
    "PyObject_CallMethodObjArgs",
    "PyObject_CallNoArgs",
    "PyObject_CallObject",
    "PyObject_CallOneArg",
    "Py_BytesMain",
    "Py_RunMain",
    "builtin___build_class__",
    "builtin_exec",
    "call_function",
    "cfunction_call",
    "classmethoddescr_call",
    "do_call_core",
    "gen_iternext",
    "gen_send_ex",
    "gen_send_ex2",
    "method_call",
    "methoddescr_call",
    "object_vacall",
    "pymain_main",
    "pymain_run_file",
    "pymain_run_file_obj",
    "pymain_run_module",
    "pymain_run_python",
    "pyrun_file",
    "pyrun_simple_file",
    "run_eval_code_obj",
    "run_mod",
    "slot_tp_call",
    "slot_tp_init",
    "trampoline",
    "type_call",
    "wrapper_call",
    "wrapperdescr_call",
    "wrapperdescr_raw_call",
};
static_assert(std::ranges::is_sorted(kPassOn));

bool contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

// "list_resize.part.0" is list_resize.
std::string_view without_suffix(std::string_view function) {
  for (const std::string_view suffix : {".part.", ".constprop.", ".isra.", ".cold", ".lto_priv.", ".llvm."}) {
    function = function.substr(0, function.find(suffix));
  }
  return function;
}

bool of_interpreter(std::string_view file) {
  if (file.ends_with(".c") || file.ends_with(".h")) {
    constexpr std::string_view kFolders[] = {"Include", "Objects", "Modules", "Python", "cpython"};
    return std::ranges::any_of(kFolders, [&](std::string_view folder) { return contains(file, folder); });
  }
  const std::string_view name = file.substr(file.rfind('/') + 1);
  return name.starts_with("python") || name.starts_with("libpython");
}

bool passes_on(std::string_view function, std::string_view file) {
  function = without_suffix(function);
  return function.starts_with("PyEval") || function.starts_with("_Py") || function.starts_with("_TAIL_CALL_") ||
         contains(function, "vectorcall") || contains(function, "Vectorcall") || file.ends_with("Objects/call.c") ||
         std::ranges::binary_search(kPassOn, function);
}

}  // namespace

FrameRole role_of(const DisplayFrame& frame) {
  if (frame.kind == FrameKind::native) {
    return of_interpreter(frame.file) && passes_on(frame.function, frame.file) ? FrameRole::interpreter
                                                                               : FrameRole::ordinary;
  }
  if (contains(frame.file, "frozen importlib")) return FrameRole::import_system;
  if (frame.file == "<frozen runpy>" || frame.file.ends_with("/runpy.py")) return FrameRole::launcher;
  return FrameRole::ordinary;
}

}  // namespace memray
