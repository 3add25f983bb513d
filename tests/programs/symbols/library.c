// Built several times with another NAME and otherwise the same code, so that one takes exactly the other's place.
#include <stdlib.h>

static void* volatile last;

__attribute__((noinline, visibility("default"))) void* NAME(size_t size) {
  last = malloc(size);
  return last;
}

void* library_allocate(size_t size) {
  last = NAME(size);
  return last;
}

#ifdef EARLY
__attribute__((constructor)) static void early(void) { last = NAME(EARLY); }
#endif
