/* Allocates as user.c does, but its slots lie elsewhere and another function takes the first one. */
#include <stdlib.h>
#include <string.h>

void release(void* p) { free(p); }
int unrelated(const char* a, const char* b) { return strcoll(a, b) + atoi(a) + abs(atoi(b)); }
void (*const release_by_pointer)(void*) = free;
void* allocate(size_t size) { return malloc(size); }
