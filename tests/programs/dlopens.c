/* Loads and unloads a library again and again, often at the same address. Blocks made by it outlive it. Sizes are
 * multiples of 10007, by which a test tells them from the loader's. The constructor's calls run before dlopen returns.
 */
#define _GNU_SOURCE
#include <dlfcn.h>

#include "ledger.h"

enum { kRounds = 20, kUnit = 10007 };

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const int constructors = !strcmp(argv[2], "seen");
  void* blocks[kRounds];
  for (int round = 0; round < kRounds; round++) {
    void* library = dlopen(argv[1], RTLD_NOW);
    if (!library) return 1;
    if (constructors) note_allocation(LEDGER_MALLOC, kUnit), note_free(kUnit);
    void* (*make)(void) = NULL;
    *(void**)&make = dlsym(library, "make");
    blocks[round] = keep(make());
    note_allocation(LEDGER_MALLOC, 3 * kUnit);
    if (dlclose(library)) return 1;
    note_allocation(LEDGER_MALLOC, 2 * kUnit), note_free(2 * kUnit);
  }
  for (int round = 0; round < kRounds; round++) free(blocks[round]), note_free(3 * kUnit);
  ledger_print();
  return 0;
}
