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
  note_free(4 * page), note_allocation(LEDGER_MREMAP, 64 * page);
  mapping = mremap(mapping, 64 * page, 16 * page, 0);
  if (mapping == MAP_FAILED) return 1;
  note_free(64 * page), note_allocation(LEDGER_MREMAP, 16 * page);
  if (mremap(mapping, 16 * page, 1ul << 46, 0) != MAP_FAILED) return 1; /* refused: nothing changes */

  /* Moved to where another mapping is, which goes. */
  char* there = mmap(NULL, 20 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  note_allocation(LEDGER_MMAP, 20 * page);
  mapping = mremap(mapping, 16 * page, 16 * page, MREMAP_MAYMOVE | MREMAP_FIXED, there);
  if (mapping != there) return 1;
  note_free(16 * page), note_shrink(16 * page), note_allocation(LEDGER_MREMAP, 16 * page);
  if (munmap(there + 16 * page, 4 * page)) return 1; /* what is left of the other */
  note_free(4 * page);

  /* The pages move, the old range stays mapped and empty. */
  char* moved = mremap(mapping, 16 * page, 16 * page, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
  if (moved == MAP_FAILED) return 1;
  note_allocation(LEDGER_MREMAP, 16 * page);
  if (munmap(mapping, 16 * page)) return 1;
  note_free(16 * page);

  /* A second view of shared memory. */
  char* shared = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return 1;
  note_allocation(LEDGER_MMAP, 3 * page);
  if (mremap(shared, 0, 3 * page, MREMAP_MAYMOVE) == MAP_FAILED) return 1;
  note_allocation(LEDGER_MREMAP, 3 * page);

  ledger_print(); /* sixteen pages and twice three leak */
  return 0;
}
