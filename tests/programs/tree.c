// A tree of processes: `tree DEPTH WIDTH HOW` makes WIDTH children at each of DEPTH levels and waits for them. HOW is
// fork, or exec: fork and exec of itself, or spawn: posix_spawn of itself. Each process allocates 1 block of 100000 +
// its depth bytes, which it keeps, and 50 blocks of 77 bytes, which it frees. Several threads allocate while it forks.
#define _GNU_SOURCE
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;
static atomic_int stop;

static void* busy(void* unused) {
  (void)unused;
  while (!atomic_load(&stop)) free(malloc(13));
  return NULL;
}

static void run(int depth, int width, const char* how, const char* self) {
  void* volatile kept = malloc(100000 + (size_t)depth);
  for (int i = 0; i < 50; ++i) {
    void* volatile block = malloc(77);
    free(block);
  }
  (void)kept;
  if (depth == 0) return;
  pthread_t threads[2];
  atomic_store(&stop, 0);
  for (int i = 0; i < 2; ++i) pthread_create(&threads[i], NULL, busy, NULL);
  char deeper[16], wide[16];
  snprintf(deeper, sizeof deeper, "%d", depth - 1);
  snprintf(wide, sizeof wide, "%d", width);
  char* arguments[] = {(char*)self, deeper, wide, (char*)how, NULL};
  for (int i = 0; i < width; ++i) {
    if (how[0] == 's') {
      pid_t pid;
      if (posix_spawn(&pid, self, NULL, NULL, arguments, environ) != 0) _exit(3);
    } else if (fork() == 0) {
      if (how[0] == 'e') {
        execv(self, arguments);
        _exit(4);
      }
      run(depth - 1, width, how, self);
      _exit(0);
    }
  }
  int status, failed = 0;
  for (int i = 0; i < width; ++i) {
    if (wait(&status) < 0 || status != 0) failed = 1;
  }
  atomic_store(&stop, 1);
  for (int i = 0; i < 2; ++i) pthread_join(threads[i], NULL);
  if (failed) _exit(5);
}

int main(int count, char** arguments) {
  if (count != 4) return 2;
  run(atoi(arguments[1]), atoi(arguments[2]), arguments[3], "/proc/self/exe");
  return 0;
}
