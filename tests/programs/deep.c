/* One allocation at each level of a deep recursion, freed on the way back. */
#include "ledger.h"

enum { kDepth = 20000 };

static int descend(int depth) {
  if (depth == kDepth) return 0;
  void* block = keep(malloc(64));
  note_allocation(LEDGER_MALLOC, 64);
  int below = descend(depth + 1);
  free(block);
  note_free(64);
  return below + 1;
}

int main(void) {
  if (descend(0) != kDepth) return 1;
  ledger_print();
  return 0;
}
