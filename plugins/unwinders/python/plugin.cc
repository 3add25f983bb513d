// The python unwinder: stacks of CPython 3.9 to 3.15, read from outside, built without its headers.
//
//   elf.cc         symbols of the process
//   runtime.cc     finding the interpreter
//   layout.cc      what lies where, by version
//   frame.h        one frame
//   walk.cc        the stack at an allocation: the hot path
//   chain.h        whether it is the same as before: the hottest loop
//   code.cc        one code object
//   code_table.cc  numbers for code objects, and their death
//   objects.cc     lifetimes of objects
//   start.cc       where the script starts and ends
//   threads.cc     names of threads
//   verify.cc      whether what we believe is true
#include <memray/unwinder.h>

#include "code_table.h"
#include "objects.h"
#include "runtime.h"
#include "start.h"
#include "threads.h"
#include "walk.h"

#include <atomic>

namespace memray::python {

namespace {

std::atomic<bool> recording{false};
std::atomic<bool> starts_with_script{false};

const char* attach(const memray_unwinder_host* offered) {
  if (offered->size < sizeof(memray_unwinder_host)) return "the recorder is older than the python unwinder";
  host = offered;
  find_runtime();
  return nullptr;
}

int start_with_program() {
  starts_with_script = start_with_script();
  return starts_with_script;
}

void begin(const Runtime& runtime) {
  if (!watch_code(runtime)) return give_up("out of memory: recording without Python stacks");
  prepare_walk(runtime);
  watch_threads(runtime);
  watch_objects(runtime);
}

void recording_changed(int now) {
  recording = now != 0;
  const Runtime* runtime = active_runtime();
  if (!runtime) return;
  if (!now) {
    forget_to_describe();
    unwatch_objects(*runtime);
    unwatch_threads(*runtime);
    return unwatch_code(*runtime);
  }
  host->describe("python_version", runtime->version);  // again: this may be another recording
  if (!starts_with_script) describe_interpreter(*runtime);
  begin(*runtime);
}

// A program may load its Python late.
void objects_changed() {
  if (active_runtime()) return;
  const Runtime* runtime = find_runtime();
  if (runtime && recording) begin(*runtime);
}

void* thread_begin() { return new_stack(); }
void thread_reset(void* state) { forget(*static_cast<Stack*>(state)); }
void thread_end(void* state) { delete_stack(*static_cast<Stack*>(state)); }
void update_stack(void* state, void*, memray_stack_change* change) { update(*static_cast<Stack*>(state), *change); }

constexpr memray_unwinder kUnwinder = {
    .size = sizeof(memray_unwinder),
    .kind = MEMRAY_STACK_PYTHON,
    .attach = attach,
    .start_with_program = start_with_program,
    .recording_changed = recording_changed,
    .thread_begin = thread_begin,
    .thread_reset = thread_reset,
    .thread_end = thread_end,
    .update = update_stack,
    .objects_changed = objects_changed,
};

}  // namespace

}  // namespace memray::python

MEMRAY_UNWINDER(memray::python::kUnwinder, "python", "Stacks of Python code, for CPython 3.9 to 3.15", "0.1.0");
