/* A thousand threads, sixteen at a time, each of which makes one block that the main thread frees. */
#define _GNU_SOURCE
#include <pthread.h>

#include "ledger.h"

enum { kThreads = 1000, kAtOnce = 16, kUnit = 10007 };

static void* work(void* argument) {
  (void)argument;
  return keep(malloc(kUnit));
}

int main(void) {
  pthread_t threads[kAtOnce];
  for (int done = 0; done < kThreads;) {
    int started = 0;
    for (; started < kAtOnce && done + started < kThreads; started++) {
      if (pthread_create(&threads[started], NULL, work, NULL)) return 1;
      note_allocation(LEDGER_MALLOC, kUnit);
    }
    void* blocks[kAtOnce];
    for (int i = 0; i < started; i++)
      if (pthread_join(threads[i], &blocks[i])) return 1;
    for (int i = 0; i < started; i++) {
      free(blocks[i]);
      note_free(kUnit);
    }
    done += started;
  }
  ledger_print();
  return 0;
}
