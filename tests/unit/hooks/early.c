/* A library whose indirect function allocates while the dynamic linker relocates: before anything else has run. */
#include <stdlib.h>

static int answer(void) { return 42; }

static int (*choose(void))(void) {
  void* volatile p = malloc(100);
  p = realloc(p, 2000);
  free(p);
  free(calloc(3, 3));
  return p ? answer : NULL;
}

int early_answer(void) __attribute__((ifunc("choose")));
int early_call(void) { return early_answer(); }
