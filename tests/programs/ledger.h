/* The truth that recordings are compared with.
 *
 * A program of this folder writes down, beside every allocator call, what that call does; at its end it prints the sum
 * as one line of JSON. Nothing here allocates: text is made in a static buffer and written with write(2), so what the
 * ledger says is everything that a plain C program does to the heap.
 *
 * `note_*` functions may be called by one thread at a time. */
#ifndef LEDGER_H
#define LEDGER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum ledger_kind {
  LEDGER_MALLOC,
  LEDGER_CALLOC,
  LEDGER_REALLOC,
  LEDGER_POSIX_MEMALIGN,
  LEDGER_ALIGNED_ALLOC,
  LEDGER_MEMALIGN,
  LEDGER_VALLOC,
  LEDGER_PVALLOC,
  LEDGER_MMAP,
  LEDGER_MMAP_FILE,
  LEDGER_MMAP_FIXED,
  LEDGER_MMAP_FILE_FIXED,
  LEDGER_MREMAP,
  LEDGER_PYMALLOC_MALLOC,
  LEDGER_PYMALLOC_CALLOC,
  LEDGER_PYMALLOC_REALLOC,
  LEDGER_KINDS
};

struct ledger {
  unsigned long long count[LEDGER_KINDS];
  unsigned long long frees, bytes, live, peak;
};
static struct ledger ledger;

static inline void note_allocation(enum ledger_kind kind, unsigned long long size) {
  ledger.count[kind]++;
  ledger.bytes += size;
  ledger.live += size;
  if (ledger.live > ledger.peak) ledger.peak = ledger.live;
}

static inline void note_free(unsigned long long size) {
  ledger.frees++;
  ledger.live -= size;
}

/* A part of a mapping: no allocation ends with it. */
static inline void note_shrink(unsigned long long size) { ledger.live -= size; }

/* Keeps a pointer, and with it the call that made it, from being optimised away. */
static inline void* keep(void* pointer) {
  __asm__ volatile("" : "+r"(pointer) : : "memory");
  return pointer;
}

static inline void ledger_print(void) {
  static const char* const names[LEDGER_KINDS] = {
      "MALLOC",        "CALLOC",          "REALLOC",         "POSIX_MEMALIGN",
      "ALIGNED_ALLOC", "MEMALIGN",        "VALLOC",          "PVALLOC",
      "MMAP",          "MMAP_FILE",       "MMAP_FIXED",      "MMAP_FILE_FIXED",
      "MREMAP",        "PYMALLOC_MALLOC", "PYMALLOC_CALLOC", "PYMALLOC_REALLOC"};
  static char text[2048];
  unsigned long long allocations = 0;
  size_t used = 0;
  for (int kind = 0; kind < LEDGER_KINDS; kind++) allocations += ledger.count[kind];
#define LEDGER_ADD(...) used += (size_t)snprintf(text + used, sizeof text - used, __VA_ARGS__)
  LEDGER_ADD(
      "{\"allocations\": %llu, \"frees\": %llu, \"bytes\": %llu, \"peak\": %llu, \"leaked\": %llu, \"by_allocator\": {",
      allocations, ledger.frees, ledger.bytes, ledger.peak, ledger.live);
  const char* separator = "";
  for (int kind = 0; kind < LEDGER_KINDS; kind++)
    if (ledger.count[kind]) {
      LEDGER_ADD("%s\"%s\": %llu", separator, names[kind], ledger.count[kind]);
      separator = ", ";
    }
  LEDGER_ADD("}}\n");
#undef LEDGER_ADD
  if (write(STDOUT_FILENO, text, used) != (ssize_t)used) _exit(99);
}

#endif
