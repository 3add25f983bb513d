/* Threads that allocate at the same time, hand blocks to each other to be freed, and meet at barriers, so that the peak
 * is the same in every run: all blocks of a round live at once. Sizes are multiples of 10007, by which a test tells
 * them from what pthread_create allocates. */
#define _GNU_SOURCE
#include <pthread.h>

#include "ledger.h"

enum { kThreads = 8, kBlocks = 500, kRounds = 20, kUnit = 10007 };

static void* blocks[kThreads][kBlocks];
static pthread_barrier_t barrier;

static size_t size_of(int thread, int block) { return (size_t)kUnit * (size_t)(1 + (thread + block) % 3); }

static void* work(void* argument) {
  const int self = (int)(size_t)argument;
  const int neighbour = (self + 1) % kThreads;
  for (int round = 0; round < kRounds; round++) {
    for (int i = 0; i < kBlocks; i++) blocks[self][i] = keep(malloc(size_of(self, i)));
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < kBlocks; i++) free(blocks[neighbour][i]);
    pthread_barrier_wait(&barrier);
  }
  return NULL;
}

int main(void) {
  pthread_t threads[kThreads];
  pthread_barrier_init(&barrier, NULL, kThreads);
  for (size_t i = 0; i < kThreads; i++)
    if (pthread_create(&threads[i], NULL, work, (void*)i)) return 1;
  for (int i = 0; i < kThreads; i++) pthread_join(threads[i], NULL);

  for (int round = 0; round < kRounds; round++) {
    for (int thread = 0; thread < kThreads; thread++)
      for (int i = 0; i < kBlocks; i++) note_allocation(LEDGER_MALLOC, size_of(thread, i));
    for (int thread = 0; thread < kThreads; thread++)
      for (int i = 0; i < kBlocks; i++) note_free(size_of(thread, i));
  }
  ledger_print();
  return 0;
}
