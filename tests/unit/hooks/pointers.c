/* Function pointers: initialised by the linker, and asked for at run time.
 *   pointers PLUGIN interposed|patched */
#define _GNU_SOURCE
#include "recorder.h"

#include <dlfcn.h>
#include <string.h>

static void* (*volatile allocate)(size_t) = malloc;
static void (*volatile release)(void*) = free;
static struct {
  void* (*allocate)(size_t, size_t);
  void (*release)(void*);
} const volatile table = {calloc, free};

int main(int argc, char** argv) {
  const int interposed = argc > 2 && strcmp(argv[2], "interposed") == 0;
  recorder_start(argv[1]);

  void* p = allocate(21);
  release(p);
  CHECK(seen_count == 2);
  CHECK(seen[0].size == 21 && seen[0].allocator == MEMRAY_MALLOC && seen[1].address == (uintptr_t)p);
  p = table.allocate(3, 5);
  table.release(p);
  CHECK(seen_count == 4 && seen[2].size == 15 && seen[2].allocator == MEMRAY_CALLOC);

  /* Addresses taken in different ways stay equal. */
  CHECK(allocate == malloc && release == free && table.release == release);

  void* (*found)(size_t) = (void* (*)(size_t))dlsym(RTLD_DEFAULT, "malloc");
  p = found(34);
  CHECK(seen_count == (interposed ? 5 : 4));
  recorder_set_recording(0);
  free(p);
  return 0;
}
