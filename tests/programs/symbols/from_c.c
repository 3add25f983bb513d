#include <stdlib.h>
#include <string.h>

static void* volatile last;

__attribute__((noinline)) static void* deepest(size_t size) {
  last = malloc(size);
  return last;
}

void* from_c(size_t size) {
  free(strdup("libc allocates"));
  void* block = deepest(size);
  last = block;
  return block;
}
