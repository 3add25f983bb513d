/* Threads that get their names in every way there is. Each makes one block of a size of its own; what it is called at
 * its end is asked from the kernel. The last ones run one after the other, so that they have the same pthread_t. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { kFirst = 100000, kMore = 1000 };

enum how { kNever, kItself, kItselfLater, kByPrctl, kByMainFirst, kByMainLater, kTwice };

struct worker {
  pthread_barrier_t barrier;
  enum how how;
  int size;
  int named_by_main;
  int tid;
  char name[17];
};

static void look(struct worker* worker) {
  char path[64];
  worker->tid = (int)syscall(SYS_gettid);
  snprintf(path, sizeof path, "/proc/self/task/%d/comm", worker->tid);
  int fd = open(path, O_RDONLY);
  ssize_t size = fd < 0 ? 0 : read(fd, worker->name, sizeof worker->name - 1);
  if (fd >= 0) close(fd);
  worker->name[size > 0 ? size - 1 : 0] = '\0';
}

static void make(struct worker* worker) {
  void* volatile block = malloc((size_t)worker->size);
  (void)block;
}

static void* work(void* argument) {
  struct worker* worker = argument;
  pthread_barrier_wait(&worker->barrier); /* the main thread may have named us */
  if (worker->how == kItself || worker->how == kTwice) pthread_setname_np(pthread_self(), "itself");
  if (worker->how == kByPrctl) prctl(PR_SET_NAME, "by-prctl-and-too-long", 0, 0, 0);
  make(worker);
  if (worker->how == kItselfLater) pthread_setname_np(pthread_self(), "itself-later");
  pthread_barrier_wait(&worker->barrier);
  pthread_barrier_wait(&worker->barrier); /* the main thread may have named us again */
  look(worker);
  return NULL;
}

static void run(struct worker* worker, enum how how, int size) {
  pthread_t thread;
  worker->how = how;
  worker->size = size;
  pthread_barrier_init(&worker->barrier, NULL, 2);
  pthread_create(&thread, NULL, work, worker);
  if (how == kByMainFirst) pthread_setname_np(thread, "by-main-first");
  pthread_barrier_wait(&worker->barrier);
  pthread_barrier_wait(&worker->barrier);
  if (how == kByMainLater || how == kTwice) pthread_setname_np(thread, "by-main-later");
  pthread_barrier_wait(&worker->barrier);
  pthread_join(thread, NULL);
}

static pthread_t equal_to;
static int equal;

static void* work_shortly(void* argument) {
  struct worker* worker = argument;
  char name[16];
  equal += equal_to == pthread_self();
  equal_to = pthread_self();
  snprintf(name, sizeof name, "worker-%d", worker->size);
  if (worker->size % 2) pthread_setname_np(pthread_self(), name);
  make(worker);
  if (worker->size % 2 == 0) pthread_setname_np(pthread_self(), name);
  look(worker);
  return NULL;
}

int main(void) {
  static struct worker workers[1 + 7 + kMore];
  workers[0].size = kFirst;
  make(&workers[0]);
  for (int i = 1; i < 8; ++i) run(&workers[i], (enum how)(i - 1), kFirst + i);
  for (int i = 8; i < 8 + kMore; ++i) {
    pthread_t thread;
    workers[i].size = kFirst + i;
    pthread_create(&thread, NULL, work_shortly, &workers[i]);
    pthread_join(thread, NULL);
  }
  prctl(PR_SET_NAME, "main", 0, 0, 0);
  look(&workers[0]);
  if (equal < kMore / 2) return 1;
  printf("{\"%d\": [%d, \"%s\"]", workers[0].size, workers[0].tid, workers[0].name);
  for (int i = 1; i < 8 + kMore; ++i)
    printf(", \"%d\": [%d, \"%s\"]", workers[i].size, workers[i].tid, workers[i].name);
  printf("}\n");
  return 0;
}
