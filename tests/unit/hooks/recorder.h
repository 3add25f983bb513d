/* A recorder for testing hook backends: writes every call into an array that the test reads back.
 *
 * The programs in this folder do things of which they know what has to be seen, and compare. A program gets the
 * plugin's file as its first argument; for the preload backend it is started with the plugin in LD_PRELOAD as well. */
#ifndef HOOKS_TEST_RECORDER_H
#define HOOKS_TEST_RECORDER_H

#include <memray/hooks.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef __cplusplus
extern "C" {
#endif

enum seen_kind { SEEN_ALLOCATED, SEEN_FREED, SEEN_REALLOCATED, SEEN_MAPPED, SEEN_UNMAPPED, SEEN_REMAPPED, SEEN_NAMED };

struct seen {
  enum seen_kind kind;
  int allocator; /* enum memray_allocator; for mappings the descriptor */
  uintptr_t address, old_address;
  size_t size, old_size;
  int flags;    /* mmap's flags, or keep_old */
  void* caller; /* the return address in the wrapper's frame */
};

#define SEEN_MOST (1u << 18)
extern struct seen seen[SEEN_MOST];
extern uint32_t seen_count;
extern uint32_t objects_changed_count, executing_count, exec_failed_count;
extern char thread_name_seen[64];
extern char described[512]; /* "key=value" lines */

/* Loads the plugin and attaches it. Returns what attach says. */
const char* recorder_attach(const char* plugin);
const char* recorder_install(void);
void recorder_uninstall(void);
void recorder_set_recording(int on);
int recorder_is_recording(void);
const char* recorder_allocator_name(void);
/* From now on this process is the recorded one, for exec. */
void recorder_adopt_process(void);

/* attach, install, start; exits with a message where that fails. */
void recorder_start(const char* plugin);

#define CHECK(condition)                                                      \
  do {                                                                        \
    if (!(condition)) {                                                       \
      recorder_set_recording(0);                                              \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
      _Exit(1);                                                               \
    }                                                                         \
  } while (0)

/* Keeps a pointer, and with it the call that made it, from being optimised away. */
static inline void* keep(void* pointer) {
  __asm__ volatile("" : "+r"(pointer) : : "memory");
  return pointer;
}

#ifdef __cplusplus
}
#endif

#endif
