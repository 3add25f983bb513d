/* A program that records itself through <memray/embed.h>, in one of several ways. Each prints what it did while it was
 * recorded as a line of JSON for each recording.
 *
 *   embed RECORDER MEMRAY WAY OUTPUT [option...] */
#include <memray/embed.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const struct memray_embed* memray;
static const char* command;
static const char* arguments[32];
static unsigned flags = 0;
static char why[512];

static void* keep(void* p) {
  __asm__ volatile("" : "+r"(p) : : "memory");
  return p;
}

static void die(const char* what) {
  fprintf(stderr, "%s: %s\n", what, why);
  exit(3);
}

static void open_recording(const char* output) {
  struct memray_embed_options options = {sizeof options, flags, command, arguments};
  arguments[1] = output;
  if (memray->open(&options, why, sizeof why) != 0) die("open");
}
static void start(const char* output) {
  open_recording(output);
  if (memray->start(why, sizeof why) != 0) die("start");
}
static void stop(void) {
  if (memray->stop(why, sizeof why) != 0) die("stop");
}

__attribute__((noinline)) static void allocate(size_t size, int count) {
  for (int i = 0; i < count; i++) free(keep(malloc(size)));
}
__attribute__((noinline)) static void leak(size_t size) { keep(malloc(size)); }

/* Threads that allocate for as long as the program runs, as fast as they can or asleep most of the time. */
static volatile int running = 1;
static volatile int has_allocated;
static void* busy(void* size) {
  while (running) allocate((size_t)size, 10);
  return NULL;
}
static void* ends_later(void* size) {
  const struct timespec pause = {0, 1000000};
  allocate((size_t)size, 1);
  has_allocated = 1;
  while (running) nanosleep(&pause, NULL);
  return NULL;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void once(const char* output) {
  allocate(1111, 5);
  start(output);
  allocate(2222, 7);
  leak(3333);
  stop();
  allocate(4444, 5);
  puts("{\"2222\": 7, \"3333\": 1}");
}

static void twice(const char* output) {
  for (int i = 1; i <= 2; i++) {
    char name[4096];
    snprintf(name, sizeof name, "%s.%d", output, i);
    start(name);
    allocate(1000 * (size_t)i, i);
    stop();
    allocate(9999, 1);
  }
}

static void threads(const char* output, int rounds) {
  pthread_t thread[8];
  for (size_t i = 0; i < 8; i++) pthread_create(&thread[i], NULL, busy, (void*)(100 + i));
  for (int round = 0; round < rounds; round++) {
    start(output);
    allocate(2222, 7);
    usleep(20000);
    stop();
  }
  running = 0;
  for (size_t i = 0; i < 8; i++) pthread_join(thread[i], NULL);
}

static void thread_ends_after_stop(const char* output) {
  for (int round = 0; round < 20; round++) {
    pthread_t thread;
    running = 1;
    start(output);
    has_allocated = 0;
    pthread_create(&thread, NULL, ends_later, (void*)1234);
    while (!has_allocated) usleep(1000);
    stop();
    running = 0;
    pthread_join(thread, NULL);
  }
}

static void forks(const char* output) {
  start(output);
  leak(1111);
  const pid_t child = fork();
  leak(child ? 2222 : 5555);
  if (child == 0) {
    stop();
    /* Followed, the child's own recording is over now; else there was none. */
    char own[4096];
    snprintf(own, sizeof own, "%s.own", output);
    flags = 0;
    start(own);
    leak(6666);
    stop();
    _exit(0);
  }
  int status;
  if (waitpid(child, &status, 0) != child || status != 0) exit(4);
  if (waitpid(-1, NULL, __WALL) != -1 || errno != ECHILD) exit(5); /* the collector is no child of ours */
  leak(3333);
  stop();
}

static void ignores(const char* output) {
  start(output);
  memray->ignore(1);
  allocate(1111, 1);
  memray->ignore(1);
  memray->ignore(0);
  allocate(1111, 1);
  memray->ignore(0);
  allocate(2222, 1);
  stop();
}

static void flushes(const char* output) {
  start(output);
  leak(1111);
  if (memray->flush(why, sizeof why) != 0) die("flush");
  raise(SIGKILL);
}

static void describes(const char* output) {
  start(output);
  memray->describe("flavour", "vanilla");
  leak(5000000);
  free(keep(malloc(9000000)));
  if (memray->reset_peak(why, sizeof why) != 0) die("reset_peak");
  stop();
}

/* The quickest of several, in milliseconds. */
static void times(const char* output) {
  double best = 1e9;
  for (int i = 0; i < 10; i++) {
    const double before = now();
    start(output);
    stop();
    const double took = now() - before;
    if (took < best) best = took;
  }
  printf("%.1f\n", best * 1000);
}

static int descriptors(void) {
  int count = 0;
  for (int fd = 0; fd < 1024; fd++) count += fcntl(fd, F_GETFD) != -1;
  return count;
}

static int maps_session(void) {
  char line[4096];
  int count = 0;
  FILE* maps = fopen("/proc/self/maps", "r");
  while (fgets(line, sizeof line, maps)) count += strstr(line, "memfd:memray") != NULL;
  fclose(maps);
  return count;
}

/* Descriptors more than before, and mappings of the session: while recording, then after. */
static void nothing_left(const char* output) {
  const int before = descriptors();
  start(output);
  const int open = descriptors() - before, mapped = maps_session();
  stop();
  printf("%d %d %d %d\n", open, mapped > 0, descriptors() - before, maps_session());
}

int main(int argc, char** argv) {
  if (argc < 5) return 2;
  void* recorder = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  if (!recorder) return fprintf(stderr, "%s\n", dlerror()), 3;
  memray = (const struct memray_embed*)dlsym(recorder, "memray_embed");
  command = argv[2];
  const char *way = argv[3], *output = argv[4];
  int n = 0;
  arguments[n++] = "-o";
  arguments[n++] = output;
  arguments[n++] = "-f";
  for (int i = 5; i < argc && n < 30; i++) {
    if (strcmp(argv[i], "--each") == 0) {
      flags = MEMRAY_EMBED_FOLLOW_FORK;
    } else {
      arguments[n++] = argv[i];
    }
  }
  if (strcmp(way, "once") == 0) once(output);
  if (strcmp(way, "twice") == 0) twice(output);
  if (strcmp(way, "threads") == 0) threads(output, 10);
  if (strcmp(way, "ends_later") == 0) thread_ends_after_stop(output);
  if (strcmp(way, "forks") == 0) forks(output);
  if (strcmp(way, "ignores") == 0) ignores(output);
  if (strcmp(way, "flushes") == 0) flushes(output);
  if (strcmp(way, "describes") == 0) describes(output);
  if (strcmp(way, "times") == 0) times(output);
  if (strcmp(way, "nothing_left") == 0) nothing_left(output);
  if (strcmp(way, "exits") == 0) start(output), leak(1111), _exit(7);
  if (strcmp(way, "aborts") == 0) start(output), leak(1111), abort();
  if (strcmp(way, "execs") == 0) start(output), leak(1111), execl("/bin/sleep", "sleep", "2", (char*)NULL);
  if (strcmp(way, "opens") == 0) open_recording(output), stop();
  return 0;
}
