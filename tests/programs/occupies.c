/* Has the memory that it is told to have, says what the kernel thinks of it, and waits for a line before it goes on:
 *   occupies KIND BYTES    KIND: touched (a block that is written to), untouched, freed (in small blocks, with a last
 * one that keeps the allocator from giving them back), mapped (16 mappings) */
#include "ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void occupy(const char* kind, size_t bytes) {
  if (strcmp(kind, "mapped") == 0) {
    for (int i = 0; i < 16; i++)
      if (mmap(NULL, bytes / 16, i % 2 ? PROT_READ : PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
          MAP_FAILED)
        _exit(1);
    return;
  }
  if (strcmp(kind, "freed") == 0) {
    const size_t count = bytes / 1024;
    char** blocks = malloc(count * sizeof *blocks);
    for (size_t i = 0; i < count; i++) memset(blocks[i] = keep(malloc(1000)), 1, 1000);
    for (size_t i = 0; i + 1 < count; i++) free(blocks[i]);
    return;
  }
  char* block = keep(malloc(bytes));
  if (strcmp(kind, "touched") == 0) memset(block, 1, bytes);
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  char line[8];
  setvbuf(stdout, NULL, _IONBF, 0);
  printf("%d\n", (int)getpid());
  if (read(STDIN_FILENO, line, 1) != 1) return 1;
  occupy(argv[1], strtoul(argv[2], NULL, 10));
  printf("occupied\n");
  return read(STDIN_FILENO, line, 1) == 1 ? 0 : 1;
}
