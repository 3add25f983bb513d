/* Hook backends: how the allocator calls of a program come to memray.
 *
 * A hook backend runs inside the program being profiled. It redirects allocator functions to wrappers of its own; a
 * wrapper calls the real function and tells the recorder what happened through struct memray_recorder.
 *
 * Rules in the target, for every function of this file and everything called from it:
 *   - libc only, no C++ runtime, no exceptions, no allocation through the functions being hooked;
 *   - `errno` is left as the real function set it;
 *   - any thread may call, at any moment, also in signal handlers, before constructors and after destructors.
 *
 * Order of events. Records of one address must be causal across threads: tell the recorder of a free BEFORE calling the
 * real function, of an allocation AFTER it returned. realloc, munmap and mremap may fail, so they take a stamp before
 * the call and report after it.
 */
#ifndef MEMRAY_HOOKS_H
#define MEMRAY_HOOKS_H

#include <memray/allocator.h>
#include <memray/plugin.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the recorder offers to a hook backend. Valid for the life of the process.
 *
 * `frame` is everywhere the wrapper's own frame address, __builtin_frame_address(0), from which native unwinders start:
 * the wrapper must be compiled with a frame pointer. */
struct memray_recorder {
  uint32_t size; /* sizeof of this structure in the recorder; later versions only append */
  uint32_t reserved;

  /* Nonzero while events are wanted. The word lies on a page that a fork()ed child reads as zero, whichever way it was
   * forked. A wrapper tests it first and does nothing but call the real function when it is zero. */
  const volatile uint32_t* recording;

  /* A time stamp for `reallocated` of what is at `address`; with address 0, for `unmapped` and `remapped`. */
  uint64_t (*stamp)(uintptr_t address);

  /* The real function returned `address`, which is not NULL. `size` is the requested size in bytes. */
  void (*allocated)(enum memray_allocator kind, uintptr_t address, size_t size, void* frame);

  /* The real free is about to be called with `address`, which is not NULL. */
  void (*deallocating)(enum memray_allocator kind, uintptr_t address, void* frame);

  /* realloc of `old_address` (0 if it was NULL) succeeded; `address` is 0 where realloc(p, 0) freed p. */
  void (*reallocated)(enum memray_allocator kind, uint64_t stamp_before, uintptr_t old_address, uintptr_t address,
                      size_t size, void* frame);

  /* mmap succeeded. `flags` are mmap's flags, `fd` its descriptor (-1 if anonymous). */
  void (*mapped)(uintptr_t address, size_t length, int flags, int fd, void* frame);

  /* munmap succeeded. */
  void (*unmapped)(uint64_t stamp_before, uintptr_t address, size_t length, void* frame);

  /* mremap succeeded. `keep_old` is nonzero for MREMAP_DONTUNMAP or an old length of 0: the old range stays mapped. */
  void (*remapped)(uint64_t stamp_before, uintptr_t old_address, size_t old_length, uintptr_t address, size_t length,
                   int keep_old, void* frame);

  /* Objects were loaded (dlopen returned) or unloaded (dlclose returned). Not while a loader lock is held by the
   * caller. */
  void (*objects_changed)(void);

  /* exec. `exec_environment` returns the environment to use in place of `envp` so that recording goes on in the new
   * image: `envp` itself where this process is not recorded (for example a vfork child). It may lie in `storage`, of
   * `storage_size` bytes, which must live until exec; NULL storage asks for the size needed: the return value is then
   * that number of bytes cast to a pointer. `executing` is called just before the real exec, `exec_failed` if it
   * returned; errno is kept by both. */
  char* const* (*exec_environment)(char* const* envp, void* storage, size_t storage_size);
  void (*executing)(void);
  void (*exec_failed)(void);

  /* The thread with this pthread_t, or the calling thread when `self` is nonzero, is called `name` from now on, and the
   * kernel knows. */
  void (*thread_named)(int self, unsigned long pthread, const char* name);

  /* Where each thread has the word that memray_inside() reads, in bytes from its thread pointer. */
  ptrdiff_t inside;

  /* "key: value" about what is hooked, for the capture's metadata. */
  void (*describe)(const char* key, const char* value);

  /* One clear line for the user, on the collector's stderr. */
  void (*warn)(const char* text);

  /* `exec_environment` for a child that posix_spawn is about to make: `envp` itself unless children are recorded. */
  char* const* (*spawn_environment)(char* const* envp, void* storage, size_t storage_size);
};

/* Nonzero while the calling thread is in a real function whose own allocator calls are not to be recorded: what it gets
 * from other allocators (jemalloc from mmap, Python's allocator from malloc) is part of the request that is recorded
 * already. All hook backends share the word. Whoever finds it zero may set it around the real function; whoever finds
 * it set records nothing. */
static inline volatile uint32_t* memray_inside(const struct memray_recorder* recorder) {
  return (volatile uint32_t*)(void*)((char*)__builtin_thread_pointer() + recorder->inside);
}

/* What a hook backend offers. All functions are called by the recorder, never concurrently. */
struct memray_hooks {
  uint32_t size; /* sizeof of this structure in the plugin */
  uint32_t reserved;

  /* Called once, before anything else and before `recording` is ever nonzero. Returns NULL, or a static string that
   * says why this backend cannot work here. */
  const char* (*attach)(const struct memray_recorder* recorder);

  /* Redirect the functions. From here on wrappers may be called in any thread. Returns NULL or why not. */
  const char* (*install)(void);

  /* Undo `install`: restore every patched place, page protections included. Wrappers may still be running in other
   * threads when this returns; their code stays loaded. A backend that cannot undo (symbol interposition) does nothing.
   */
  void (*uninstall)(void);

  /* Nonzero if the plugin has to be in LD_PRELOAD when the program starts (symbol interposition). */
  uint32_t needs_preload;

  /* The allocator that answers malloc, for the capture's metadata: "glibc", "jemalloc", ... or "". */
  const char* (*allocator_name)(void);

  /* Recording is about to start (nonzero) or has stopped (0). For backends that must not redirect anything before or
   * after. May be NULL. */
  void (*recording_changed)(int recording);

  /* Objects were loaded or unloaded, as some backend has noticed. May be NULL. */
  void (*objects_changed)(void);
};

#ifdef __cplusplus
}
#endif

/* Defines the plugin's descriptor. `interface` is a struct memray_hooks that lives as long as the plugin. */
#ifdef __cplusplus
#define MEMRAY_HOOKS(interface, plugin_name, plugin_description, plugin_version) \
  extern "C" MEMRAY_EXPORT const memray_plugin_descriptor memray_plugin = {      \
      MEMRAY_PLUGIN_MAGIC, MEMRAY_ABI_VERSION, MEMRAY_PLUGIN_HOOKS, plugin_name, \
      plugin_description,  plugin_version,     &(interface)}
#endif

#endif
