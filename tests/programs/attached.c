/* Programs to attach to: they say "ready", are busy until SIGTERM, and then say whether all was right.
 *
 *   attached threads | dlopens PLUGIN | forks | sleeps | counted
 *
 * `counted` does what it is told on standard input, and says what it has done. */
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t done = 0;
static void end(int number) {
  (void)number;
  done = 1;
}

static int wrong = 0;
static void check(int right) {
  if (!right) __atomic_store_n(&wrong, 1, __ATOMIC_RELAXED);
}

/* Blocks that are passed around: what is in them must be what was written. */
static void* slots[64];
static void* allocate(void* seed) {
  unsigned random = (unsigned)(size_t)seed + 1;
  while (!done) {
    random = random * 1103515245u + 12345u;
    const size_t size = 16 + random / 65536 % 5000;
    size_t* block = (size_t*)malloc(size);
    block[0] = size;
    ((unsigned char*)block)[size - 1] = (unsigned char)size;
    block = (size_t*)__atomic_exchange_n(&slots[random / 1024 % 64], block, __ATOMIC_ACQ_REL);
    if (!block) continue;
    check(((unsigned char*)block)[block[0] - 1] == (unsigned char)block[0]);
    free(block);
  }
  return NULL;
}

static void threads(void) {
  pthread_t thread[8];
  for (size_t i = 0; i < 8; i++) pthread_create(&thread[i], NULL, allocate, (void*)i);
  for (int i = 0; i < 8; i++) pthread_join(thread[i], NULL);
}

static void dlopens(const char* plugin) {
  while (!done) {
    void* handle = dlopen(plugin, RTLD_NOW);
    check(handle != NULL);
    if (handle) check(dlclose(handle) == 0);
  }
}

static void forks(void) {
  while (!done) {
    const pid_t child = fork();
    if (child == 0) {
      void* block = malloc(100);
      __asm__ volatile("" : "+r"(block) : : "memory");
      free(block);
      _exit(7);
    }
    int status = 0;
    pid_t found;
    do found = waitpid(child, &status, 0);
    while (found < 0 && errno == EINTR);
    check(found == child && WEXITSTATUS(status) == 7);
  }
}

/* Interrupted system calls of each kind are restarted: none may end before its time, or with EINTR that is not due. */
static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}
static void sleeps(void) {
  while (!done) {
    const double before = now();
    const struct timespec time = {0, 30000000};
    const int slept = nanosleep(&time, NULL);
    const int polled = poll(NULL, 0, 30);
    if (done) break;
    check(slept == 0 && polled == 0 && now() - before >= 0.0599);
  }
}

static void* held[10000];
static size_t held_count = 0;

/* `count` blocks, of which every other one is kept. */
static void allocate_counted(size_t count, size_t size) {
  for (size_t i = 0; i < count; i++) {
    void* block = malloc(size);
    __asm__ volatile("" : "+r"(block) : : "memory");
    check(block != NULL);
    if (i % 2) {
      free(block);
    } else if (held_count < sizeof held / sizeof *held) {
      held[held_count++] = block;
    }
  }
}

static pid_t child_that(size_t count, size_t size, int stays) {
  const pid_t child = fork();
  if (child != 0) return child;
  allocate_counted(count, size);
  if (stays) dprintf(1, "child %d\n", getpid());
  while (stays && !done) {
    const struct timespec time = {0, 1000000};
    nanosleep(&time, NULL);
    free(malloc(50));
  }
  _exit(wrong);
}

static void counted(void) {
  char line[64];
  ssize_t n;
  while ((n = read(0, line, sizeof line - 1)) > 0) {
    line[n] = '\0';
    size_t count = 0, size = 0;
    if (sscanf(line, "allocate %zu %zu", &count, &size) == 2) {
      allocate_counted(count, size);
      dprintf(1, "made %zu kept %zu\n", count, (count + 1) / 2);
    } else if (sscanf(line, "fork %zu %zu", &count, &size) == 2) {
      int status = 1;
      const pid_t child = child_that(count, size, 0);
      check(waitpid(child, &status, 0) == child && status == 0);
      dprintf(1, "child %d\n", child);
    } else if (sscanf(line, "stay %zu %zu", &count, &size) == 2) {
      child_that(count, size, 1);
    } else if (strncmp(line, "wait", 4) == 0) {
      int status = 1;
      const pid_t child = wait(&status);
      dprintf(1, "ended %d with %d\n", child, status);
    } else {
      return;
    }
  }
}

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  signal(SIGTERM, end);
  if (write(1, "ready\n", 6) != 6) return 2;
  if (strcmp(argv[1], "threads") == 0) threads();
  if (strcmp(argv[1], "dlopens") == 0) dlopens(argv[2]);
  if (strcmp(argv[1], "forks") == 0) forks();
  if (strcmp(argv[1], "sleeps") == 0) sleeps();
  if (strcmp(argv[1], "counted") == 0) counted();
  puts(wrong ? "wrong" : "right");
  return wrong;
}
