/* threads THREADS PAIRS: every thread calls malloc and free PAIRS times. Prints calls per second, of all threads. As a
 * library: loop(threads, pairs), for profilers that record Python programs only. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void* work(void* pairs) {
  for (long i = 0; i < (long)pairs; ++i) {
    void* p = malloc(64);
    __asm__ volatile("" : "+r"(p) : : "memory");
    free(p);
  }
  return NULL;
}

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

double loop(int threads, long pairs) {
  pthread_t thread[64];
  const double start = seconds();
  for (int i = 0; i < threads; ++i) pthread_create(&thread[i], NULL, work, (void*)pairs);
  for (int i = 0; i < threads; ++i) pthread_join(thread[i], NULL);
  return 2.0 * threads * (double)pairs / (seconds() - start);
}

int main(int argc, char** argv) {
  printf("%.0f\n", loop(argc > 1 ? atoi(argv[1]) : 4, argc > 2 ? atol(argv[2]) : 1000000));
  return 0;
}
