/* A program where a backend cannot work has to hear why.
 *   refusal PLUGIN WORDS: attach has to fail with a message that contains WORDS; all goes on as before. */
#include "recorder.h"

#include <string.h>

#ifdef OWN_MALLOC
static char memory[1 << 20];
static size_t used;
void* malloc(size_t size) {
  void* p = memory + used;
  used += (size + 15) / 16 * 16;
  return p;
}
void free(void* p) { (void)p; }
void* calloc(size_t n, size_t size) { return malloc(n * size); }
void* realloc(void* p, size_t size) {
  void* q = malloc(size);
  return p ? memmove(q, p, size) : q;
}
#endif

int main(int argc, char** argv) {
  const char* why = recorder_attach(argv[1]);
  if (argc < 3) return why != NULL;
  if (!why || !strstr(why, argv[2])) {
    fprintf(stderr, "attach said: %s\n", why ? why : "(nothing)");
    return 1;
  }
  free(keep(malloc(1)));
  return 0;
}
