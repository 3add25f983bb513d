/* jemalloc's own functions, beside malloc. */
#include <jemalloc/jemalloc.h>

#include "ledger.h"

#define UNIT ((size_t)10007) /* nobody else asks for multiples of it */

int main(void) {
  char* plain = keep(malloc(UNIT));
  note_allocation(LEDGER_MALLOC, UNIT);
  char* a = keep(mallocx(2 * UNIT, MALLOCX_ALIGN(256) | MALLOCX_ZERO));
  note_allocation(LEDGER_MALLOC, 2 * UNIT);
  if (a[2 * UNIT - 1] != 0) return 1;
  a = keep(rallocx(a, 7 * UNIT, 0));
  note_free(2 * UNIT), note_allocation(LEDGER_REALLOC, 7 * UNIT);
  if (xallocx(a, 8 * UNIT, 0, 0) >= 8 * UNIT) note_free(7 * UNIT), note_allocation(LEDGER_REALLOC, 8 * UNIT);
  if (xallocx(a, (size_t)1 << 40, 0, 0) >= (size_t)1 << 40) return 1; /* does not fit: nothing changes */
  char* b = keep(mallocx(3 * UNIT, 0));
  note_allocation(LEDGER_MALLOC, 3 * UNIT);
  if (keep(mallocx((size_t)1 << 62, 0))) return 1;
  sdallocx(b, 3 * UNIT, 0);
  note_free(3 * UNIT);
  char* c = keep(mallocx(4 * UNIT, 0));
  note_allocation(LEDGER_MALLOC, 4 * UNIT);
  free(c); /* one allocator: what mallocx made may be freed so */
  note_free(4 * UNIT);
  dallocx(plain, 0);
  note_free(UNIT);
  ledger_print(); /* `a` leaks */
  return 0;
}
