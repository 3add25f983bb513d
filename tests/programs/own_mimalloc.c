/* mimalloc's own functions, beside malloc. */
#include <mimalloc.h>

#include "ledger.h"

#define UNIT ((size_t)10007) /* nobody else asks for multiples of it */

int main(void) {
  char* plain = keep(malloc(UNIT));
  note_allocation(LEDGER_MALLOC, UNIT);
  char* a = keep(mi_malloc(2 * UNIT));
  note_allocation(LEDGER_MALLOC, 2 * UNIT);
  a = keep(mi_realloc(a, 7 * UNIT));
  note_free(2 * UNIT), note_allocation(LEDGER_REALLOC, 7 * UNIT);
  a = keep(mi_reallocn(a, 10, UNIT));
  note_free(7 * UNIT), note_allocation(LEDGER_REALLOC, 10 * UNIT);
  char* b = keep(mi_calloc(3, UNIT));
  note_allocation(LEDGER_CALLOC, 3 * UNIT);
  char* z = keep(mi_zalloc(4 * UNIT));
  note_allocation(LEDGER_CALLOC, 4 * UNIT);
  mi_free_size(z, 4 * UNIT);
  note_free(4 * UNIT);
  mi_free(b);
  note_free(3 * UNIT);
  char* aligned = keep(mi_malloc_aligned(5 * UNIT, 64));
  note_allocation(LEDGER_ALIGNED_ALLOC, 5 * UNIT);
  mi_free_aligned(aligned, 64);
  note_free(5 * UNIT);
  static char long_text[UNIT];
  memset(long_text, 'x', UNIT - 1);
  char* text = keep(mi_strdup(long_text));
  note_allocation(LEDGER_MALLOC, UNIT);
  free(text);
  note_free(UNIT);
  void* object = keep(mi_new(6 * UNIT));
  note_allocation(LEDGER_MALLOC, 6 * UNIT);
  mi_free(object);
  note_free(6 * UNIT);

  mi_heap_t* heap = mi_heap_new();
  for (int i = 0; i < 10; i++) {
    if (!keep(mi_heap_malloc(heap, UNIT))) return 1;
    note_allocation(LEDGER_MALLOC, UNIT);
  }
  char* mine = keep(mi_heap_calloc(heap, 3, UNIT));
  note_allocation(LEDGER_CALLOC, 3 * UNIT);
  mine = keep(mi_heap_realloc(heap, mine, 4 * UNIT));
  note_free(3 * UNIT), note_allocation(LEDGER_REALLOC, 4 * UNIT);
  mi_free(mine);
  note_free(4 * UNIT);
  mi_heap_destroy(heap);
  for (int i = 0; i < 10; i++) note_free(UNIT);

  mi_free(plain);
  note_free(UNIT);
  ledger_print(); /* `a` leaks */
  return 0;
}
