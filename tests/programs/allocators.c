/* Every allocator function, with sizes of zero, failures and NULL pointers. */
#define _GNU_SOURCE
#include <malloc.h>
#include <stdint.h>

#include "ledger.h"

static void* took(enum ledger_kind kind, void* pointer, size_t size) {
  if (!pointer) _exit(98);
  note_allocation(kind, size);
  return keep(pointer);
}

static void gave(void* pointer, size_t size) {
  free(keep(pointer));
  note_free(size);
}

static void reallocations(void) {
  void* block = took(LEDGER_REALLOC, realloc(keep(NULL), 101), 101);
  block = realloc(block, 100003);
  note_free(101), took(LEDGER_REALLOC, block, 100003);
  block = realloc(block, 57);
  note_free(100003), took(LEDGER_REALLOC, block, 57);
  volatile size_t zero = 0;
  if (keep(realloc(block, zero))) _exit(97); /* glibc frees the block */
  note_free(57);

  block = took(LEDGER_REALLOC, reallocarray(keep(NULL), 11, 13), 143);
  block = reallocarray(block, 17, 19);
  note_free(143), took(LEDGER_REALLOC, block, 323);
  gave(block, 323);
}

static void failures(void) {
  volatile size_t absurd = PTRDIFF_MAX;
  if (keep(malloc(absurd)) || keep(calloc(absurd, 3)) || keep(aligned_alloc(64, absurd & ~63ul))) _exit(96);
  void* out = NULL;
  if (posix_memalign(&out, 24, 100) == 0 || posix_memalign(&out, 64, absurd) == 0) _exit(95);
  void* block = took(LEDGER_MALLOC, malloc(71), 71);
  if (keep(realloc(keep(block), absurd)) || keep(reallocarray(keep(block), absurd, 4))) _exit(94);
  gave(block, 71); /* still there after the failures */
  free(NULL);
}

int main(void) {
  for (int round = 0; round < 100; round++) {
    void* m = took(LEDGER_MALLOC, malloc(1003), 1003);
    void* zero = took(LEDGER_MALLOC, malloc(0), 0);
    void* c = took(LEDGER_CALLOC, calloc(7, 1009), 7063);
    void* p = NULL;
    if (posix_memalign(&p, 64, 2003)) return 1;
    took(LEDGER_POSIX_MEMALIGN, p, 2003);
    void* a = took(LEDGER_ALIGNED_ALLOC, aligned_alloc(32, 3008), 3008);
    void* g = took(LEDGER_MEMALIGN, memalign(128, 4001), 4001);
    void* v = took(LEDGER_VALLOC, valloc(5003), 5003);
    void* w = took(LEDGER_PVALLOC, pvalloc(6007), 6007);
    gave(m, 1003), gave(zero, 0), gave(c, 7063), gave(p, 2003);
    gave(a, 3008), gave(g, 4001), gave(v, 5003), gave(w, 6007);
  }
  reallocations();
  failures();
  took(LEDGER_MALLOC, malloc(12345), 12345); /* a leak */
  ledger_print();
  return 0;
}
