/* busy RECORDS SECONDS LIVE: calls malloc and free RECORDS times a second in all, with LIVE blocks at a time, of sizes
 * and from stacks that vary. Prints the calls per second that it got to. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { kBatch = 1000, kDepth = 6 };

static unsigned random_state = 1;

static unsigned next_random(void) {
  random_state = random_state * 1664525u + 1013904223u;
  return random_state >> 8;
}

static void* left(int depth, unsigned way);
static void* right(int depth, unsigned way);

/* 64 stacks, as `way` goes. */
static void* go(int depth, unsigned way) {
  if (depth == kDepth) return malloc(16 + next_random() % 500);
  void* block = way & 1 ? left(depth + 1, way >> 1) : right(depth + 1, way >> 1);
  __asm__ volatile("" ::: "memory");
  return block;
}
__attribute__((noinline)) static void* left(int depth, unsigned way) { return go(depth, way); }
__attribute__((noinline)) static void* right(int depth, unsigned way) { return go(depth, way); }

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int main(int argc, char** argv) {
  const double rate = argc > 1 ? atof(argv[1]) : 1e7, time = argc > 2 ? atof(argv[2]) : 60;
  const size_t live = argc > 3 ? strtoul(argv[3], NULL, 10) : 100000;
  void** blocks = calloc(live, sizeof *blocks);
  const double start = seconds();
  double calls = 0, now = start;
  for (size_t at = 0; now < start + time; now = seconds()) {
    if (calls > (now - start) * rate) {
      nanosleep(&(struct timespec){0, 200000}, NULL);
      continue;
    }
    for (int i = 0; i < kBatch; ++i, at = (at + 1) % live) {
      free(blocks[at]);
      blocks[at] = go(0, next_random());
    }
    calls += 2 * kBatch;
  }
  printf("%.0f\n", calls / (now - start));
  return 0;
}
