/* What depends on who calls: RUNPATH, $ORIGIN, RTLD_NEXT. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>

void* open_by_name(void) { return dlopen("deep.so", RTLD_NOW); }
void* open_by_origin(void) { return dlopen("$ORIGIN/hidden/deep.so", RTLD_NOW); }

/* Comes after the program and libc in no order but this library's own: what follows it is nothing. */
void only_here(void) {}
int which_next(void) {
  void* mine = dlsym(RTLD_DEFAULT, "only_here");
  void* next = dlsym(RTLD_NEXT, "only_here");
  return mine == (void*)only_here && !next;
}
