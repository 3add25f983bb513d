/* Makes known allocations, says so, and ends in the way named by its argument. */
#define _GNU_SOURCE
#include <signal.h>

#include "ledger.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  for (int i = 0; i < 10000; i++) {
    void* block = keep(malloc(1000));
    note_allocation(LEDGER_MALLOC, 1000);
    if (i % 10) {
      free(block);
      note_free(1000);
    }
  }
  ledger_print();
  if (!strcmp(argv[1], "exit")) exit(3);
  if (!strcmp(argv[1], "_exit")) _exit(4);
  if (!strcmp(argv[1], "abort")) abort();
  if (!strcmp(argv[1], "kill")) kill(getpid(), SIGKILL);
  if (!strcmp(argv[1], "term")) kill(getpid(), SIGTERM);
  if (!strcmp(argv[1], "segv")) *(volatile int*)keep(NULL) = 0;
  if (!strcmp(argv[1], "wait"))
    for (;;) pause();
  return 2;
}
