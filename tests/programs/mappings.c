/* Mappings: whole, cut at either end, cut in the middle, replaced by MAP_FIXED, refused. */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "ledger.h"

static char* map(void* address, size_t length, int flags) {
  char* mapping = mmap(address, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
  if (mapping == MAP_FAILED) _exit(98);
  note_allocation(LEDGER_MMAP, length);
  return mapping;
}

int main(void) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);

  char* whole = map(NULL, 10 * page, 0);
  if (munmap(whole, 10 * page)) return 1;
  note_free(10 * page);

  char* cut = map(NULL, 9 * page, 0);
  if (munmap(cut, page)) return 1; /* at the front */
  note_shrink(page);
  if (munmap(cut + 8 * page, page)) return 1; /* at the end */
  note_shrink(page);
  if (munmap(cut + 4 * page, page)) return 1; /* in the middle: two pieces */
  note_shrink(page);
  if (munmap(cut, 9 * page)) return 1; /* what is left, holes included */
  note_free(6 * page);

  char* under = map(NULL, 5 * page, 0);
  note_free(5 * page); /* MAP_FIXED takes its place, all of it */
  if (map(under, 5 * page, MAP_FIXED) != under) return 1;

  if (mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED) return 1;
  if (munmap(under + 1, page) == 0) return 1; /* not aligned: refused, and nothing is gone */

  ledger_print(); /* five pages leak */
  return 0;
}
