/* What `dlopens` loads: allocates when loaded, when asked to, and when unloaded. */
#include <stdlib.h>

enum { kUnit = 10007 };

__attribute__((constructor)) static void loaded(void) { free(malloc(kUnit)); }
__attribute__((destructor)) static void unloaded(void) { free(malloc(2 * kUnit)); }
void* make(void) { return malloc(3 * kUnit); }
