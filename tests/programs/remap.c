/* mremap: grows (and may move) a mapping, then shrinks it. What is live afterwards is the ledger's business; how many
 * allocations that makes is the recorder's. */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "ledger.h"

int main(void) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  char* mapping = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) return 1;
  note_allocation(LEDGER_MMAP, 4 * page);
  mapping = mremap(mapping, 4 * page, 64 * page, MREMAP_MAYMOVE);
  if (mapping == MAP_FAILED) return 1;
  note_free(4 * page), note_allocation(LEDGER_MMAP, 64 * page);
  mapping = mremap(mapping, 64 * page, 16 * page, 0);
  if (mapping == MAP_FAILED) return 1;
  note_free(64 * page), note_allocation(LEDGER_MMAP, 16 * page);
  if (mremap(mapping, 16 * page, 1ul << 46, 0) != MAP_FAILED) return 1; /* refused: nothing changes */
  ledger_print();                                                       /* sixteen pages leak */
  return 0;
}
