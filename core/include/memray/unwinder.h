/* Unwinders: which calls led to an allocation.
 *
 * An unwinder runs inside the program being profiled, in the thread that allocates, at every allocation. It keeps, per
 * thread, the stack it saw last, and reports only what changed: how many of the outermost frames are still the same,
 * and the frames above them. The recorder writes nothing for a stack that has not changed.
 *
 * The rules of <memray/hooks.h> for code in the target hold here too. `update` must moreover be cheap: it is the
 * hottest code of the profiler.
 */
#ifndef MEMRAY_UNWINDER_H
#define MEMRAY_UNWINDER_H

#include <memray/plugin.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What kind of frames an unwinder yields; a record has room for one stack of each kind. */
enum memray_stack_kind {
  MEMRAY_STACK_PYTHON = 0,
  MEMRAY_STACK_NATIVE = 1,
  MEMRAY_STACK_KINDS = 2,
};

/* A frame is one 64-bit word.
 *   native: the return address (for the innermost frame: the return address into the caller of the allocator).
 *   python: bit 63 = entry frame (the first of its C evaluator activation), bits 32..62 = code number as given to
 *           define_code, bits 0..31 = byte offset of the instruction in the code object's bytecode. */
#define MEMRAY_PYTHON_ENTRY_FRAME (1ull << 63)
#define MEMRAY_PYTHON_FRAME(code, offset) (((uint64_t)(code) << 32) | (uint32_t)(offset))

/* The change from the stack reported before in this thread to the one now.
 * `frames[0]` is the outermost of the new frames, at depth `keep`; `frames[count - 1]` is the innermost. */
struct memray_stack_change {
  uint32_t keep;          /* outermost frames that are unchanged */
  uint32_t count;         /* frames that follow them; the stack is now keep + count deep */
  const uint64_t* frames; /* owned by the unwinder, valid until its next call in this thread */
};

/* How line numbers are encoded in a code object's line table. */
enum memray_line_table {
  MEMRAY_LINES_NONE = 0,
  MEMRAY_LINES_LNOTAB = 1,    /* CPython 3.9 and before: co_lnotab */
  MEMRAY_LINES_PEP626 = 2,    /* CPython 3.10: co_linetable */
  MEMRAY_LINES_LOCATIONS = 3, /* CPython 3.11 and later: location table */
};

/* A Python code object. Strings are UTF-8, not necessarily NUL-terminated. */
struct memray_code {
  uint32_t number; /* chosen by the unwinder, never reused in one process image, below 2^31 */
  uint32_t first_line;
  enum memray_line_table line_table_kind;
  uint32_t line_table_size;
  const uint8_t* line_table;
  const char* name; /* co_name */
  uint32_t name_size;
  uint32_t file_size;
  const char* file;           /* co_filename */
  const char* qualified_name; /* co_qualname, or NULL before 3.11 */
  uint32_t qualified_name_size;
};

/* What the recorder offers to an unwinder. */
struct memray_unwinder_host {
  uint32_t size;
  uint32_t reserved;

  /* Private zeroed memory straight from the kernel, page-aligned; NULL when there is none. Never recorded. */
  void* (*map)(size_t bytes);
  void (*unmap)(void* address, size_t bytes);

  /* Describe a code object. Returns after the description is where the collector will find it, so a frame word that
   * names `code->number` may be used, by any thread, from then on. Returns 0 if it could not be written. */
  int (*define_code)(const struct memray_code* code);

  /* "key: value" about the runtime, for the capture's metadata (for example "python_version", "3.12.1"). */
  void (*describe)(const char* key, const char* value);

  /* One clear line for the user, on the collector's stderr. */
  void (*warn)(const char* text);

  /* Begin and end recording. An unwinder that knows where the program's own code begins (Python: the script) is asked
   * to do so by `start_with_program` and calls these. */
  void (*start_recording)(void);
  void (*stop_recording)(void);

  /* The thread with this id (0: the calling one), which lives, is called so from now on by its language runtime.
   * `name` is UTF-8, not necessarily NUL-terminated. Recorded or not: the name is kept until the thread is. */
  void (*name_thread)(uint32_t os_tid, const char* name, size_t size);

  /* For unwinders that cannot do without libraries. After set_quiet(MEMRAY_QUIET), what the calling thread allocates is
   * not recorded, also where a signal handler does; the result, given back, undoes it. */
  uint32_t (*set_quiet)(uint32_t quiet);

  /* Lifetimes of the runtime's objects, where `tracks_objects` returns nonzero. A type is described before the first
   * object of it; its number is below 2^32 and never reused in one process image. `frame` is the frame address of the
   * caller, which must be compiled with a frame pointer. */
  int (*tracks_objects)(void);
  int (*define_type)(uint32_t number, const char* name, size_t size);
  void (*object_created)(uintptr_t address, uint32_t type, void* frame);
  void (*object_destroyed)(uintptr_t address);

  /* Nonzero while `recording_changed` is called in a thread that was stopped anywhere, possibly in the middle of a
   * function of the runtime's: none that is not safe in a signal handler may be called then. */
  int (*interrupting)(void);

  /* Nonzero if native stacks are recorded too, so that it matters where they go through the interpreter. */
  int (*has_native_stacks)(void);
};
#define MEMRAY_QUIET 2u

struct memray_unwinder {
  uint32_t size;
  enum memray_stack_kind kind;

  /* Called once, before anything else. NULL, or a static string that says why this unwinder cannot work here; a runtime
   * that is merely not there yet (a Python that may be loaded later) is no error. */
  const char* (*attach)(const struct memray_unwinder_host* host);

  /* Arrange for host->start_recording() to be called when the program's own code starts, and stop_recording() when it
   * has ended. Returns 0 if this process has no such moment (not a Python interpreter): nothing is arranged then.
   * Called before main(). NULL: never. */
  int (*start_with_program)(void);

  /* Recording starts (nonzero) or has stopped (0). */
  void (*recording_changed)(int recording);

  /* State for the calling thread: allocated with host->map, handed back to `update`. NULL on failure. */
  void* (*thread_begin)(void);

  /* Drop what the thread's state remembers: the next `update` reports keep = 0. Called in the thread itself. */
  void (*thread_reset)(void* state);

  /* The calling thread is gone, or recording is over. May be called by any thread. */
  void (*thread_end)(void* state);

  /* Bring `state` up to date with the calling thread's stack. `frame` is the frame address of the allocator wrapper. */
  void (*update)(void* state, void* frame, struct memray_stack_change* change);

  /* Objects were loaded or unloaded. May be NULL. */
  void (*objects_changed)(void);
};

#ifdef __cplusplus
}
#endif

/* Defines the plugin's descriptor. `interface` is a struct memray_unwinder that lives as long as the plugin. */
#ifdef __cplusplus
#define MEMRAY_UNWINDER(interface, plugin_name, plugin_description, plugin_version)                     \
  extern "C" MEMRAY_EXPORT const memray_plugin_descriptor memray_plugin = {                             \
      MEMRAY_PLUGIN_MAGIC, MEMRAY_ABI_VERSION, MEMRAY_PLUGIN_UNWINDER, plugin_name, plugin_description, \
      plugin_version,      &(interface)}
#endif

#endif
