/* tcmalloc's own functions, beside malloc. */
#include <gperftools/tcmalloc.h>

/* The header offers them to C++ only. */
void* tc_new(size_t size);
void tc_delete(void* p);
void* tc_newarray(size_t size);
void tc_deletearray_sized(void* p, size_t size);

#include "ledger.h"

#define UNIT ((size_t)10007) /* nobody else asks for multiples of it */

int main(void) {
  char* plain = keep(malloc(UNIT));
  note_allocation(LEDGER_MALLOC, UNIT);
  char* a = keep(tc_malloc(2 * UNIT));
  note_allocation(LEDGER_MALLOC, 2 * UNIT);
  a = keep(tc_realloc(a, 7 * UNIT));
  note_free(2 * UNIT), note_allocation(LEDGER_REALLOC, 7 * UNIT);
  char* b = keep(tc_calloc(3, UNIT));
  note_allocation(LEDGER_CALLOC, 3 * UNIT);
  if (keep(tc_malloc((size_t)1 << 62))) return 1;
  tc_cfree(b);
  note_free(3 * UNIT);
  void* aligned = NULL;
  if (tc_posix_memalign(&aligned, 64, 5 * UNIT)) return 1;
  note_allocation(LEDGER_POSIX_MEMALIGN, 5 * UNIT);
  tc_free(aligned);
  note_free(5 * UNIT);
  void* object = keep(tc_new(6 * UNIT));
  note_allocation(LEDGER_MALLOC, 6 * UNIT);
  tc_delete(object);
  note_free(6 * UNIT);
  object = keep(tc_newarray(8 * UNIT));
  note_allocation(LEDGER_MALLOC, 8 * UNIT);
  tc_deletearray_sized(object, 8 * UNIT);
  note_free(8 * UNIT);
  char* m = keep(tc_memalign(128, 9 * UNIT));
  note_allocation(LEDGER_MEMALIGN, 9 * UNIT);
  free(m);
  note_free(9 * UNIT);
  if (tc_realloc(plain, (size_t)keep(NULL)) != NULL) return 1; /* freed */
  note_free(UNIT);
  ledger_print(); /* `a` leaks */
  return 0;
}
