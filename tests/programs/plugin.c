/* What `dlopens` loads: allocates when loaded, when asked to, and when unloaded. */
#include <stdlib.h>

enum { kUnit = 10007 };

static void churn(size_t size) {
  void* block = malloc(size);
  __asm__ volatile("" : "+r"(block) : : "memory"); /* a pair that does nothing would be optimised away */
  free(block);
}

__attribute__((constructor)) static void loaded(void) { churn(kUnit); }
__attribute__((destructor)) static void unloaded(void) { churn(2 * kUnit); }
void* make(void) { return malloc(3 * kUnit); }
