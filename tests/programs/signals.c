/* A timer's signal handler that maps and unmaps memory, at any moment of a loop that allocates. (malloc itself may not
 * be called in such a handler.) */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>

#include "ledger.h"

enum { kSignals = 100, kMapping = 40960 };

static volatile sig_atomic_t signals;
static volatile sig_atomic_t failed;
static char other_work[1 << 20];

static void handle(int number) {
  (void)number;
  if (signals == kSignals) return;
  void* mapping = mmap(NULL, kMapping, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED || munmap(mapping, kMapping)) failed = 1;
  signals++;
}

int main(void) {
  struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
  sigaction(SIGALRM, &action, NULL);
  const struct itimerval every_millisecond = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
  setitimer(ITIMER_REAL, &every_millisecond, NULL);
  unsigned long rounds = 0;
  for (; signals < kSignals; rounds++) {
    memset(keep(other_work), (int)rounds, sizeof other_work);
    void* block = keep(malloc(103));
    block = keep(realloc(block, 211));
    free(block);
  }
  setitimer(ITIMER_REAL, &never, NULL);
  if (failed) return 1;

  ledger.count[LEDGER_MALLOC] = ledger.count[LEDGER_REALLOC] = rounds;
  ledger.count[LEDGER_MMAP] = kSignals;
  ledger.frees = 2 * rounds + kSignals;
  ledger.bytes = rounds * (103 + 211) + (unsigned long long)kSignals * kMapping;
  ledger_print(); /* the peak depends on when signals arrived */
  return 0;
}
