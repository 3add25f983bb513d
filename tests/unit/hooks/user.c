/* A library that allocates through its own slots. */
#include <stdlib.h>

void* allocate(size_t size) { return malloc(size); }
void release(void* p) { free(p); }
void* (*const allocate_by_pointer)(size_t) = malloc;
