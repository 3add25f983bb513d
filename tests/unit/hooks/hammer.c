/* Threads allocate without pause while hooks are installed and removed, and libraries loaded and unloaded.
 *   hammer PLUGIN */
#define _GNU_SOURCE
#include "recorder.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

static volatile int stop;

static void* work(void* argument) {
  unsigned char* blocks[32] = {0};
  unsigned state = (unsigned)(uintptr_t)argument;
  while (!stop) {
    state = state * 1664525u + 1013904223u;
    unsigned char** block = &blocks[(state >> 16) % 32];
    const unsigned char mark = (unsigned char)(uintptr_t)argument;
    if (*block) CHECK(**block == mark);
    if ((state >> 8) % 3 == 0) {
      free(*block);
      *block = NULL;
    } else {
      *block = realloc(*block, 1 + (state >> 20));
      **block = mark;
    }
  }
  for (int i = 0; i < 32; ++i) free(blocks[i]);
  return NULL;
}

static void* load(void* name) {
  while (!stop) {
    void* library = dlopen(name, RTLD_LAZY | RTLD_LOCAL);
    CHECK(library);
    void* (*allocate)(size_t) = (void* (*)(size_t))dlsym(library, "allocate");
    void (*release)(void*) = (void (*)(void*))dlsym(library, "release");
    release(allocate(7));
    CHECK(dlclose(library) == 0);
  }
  return NULL;
}

int main(int argc, char** argv) {
  (void)argc;
  recorder_start(argv[1]);
  pthread_t threads[5];
  for (uintptr_t i = 0; i < 3; ++i) pthread_create(&threads[i], NULL, work, (void*)(i + 1));
  pthread_create(&threads[3], NULL, load, "./user-now.so");
  pthread_create(&threads[4], NULL, load, "./user-lazy.so");
  for (int i = 0; i < 300; ++i) {
    recorder_uninstall();
    recorder_set_recording(i % 2);
    CHECK(recorder_install() == NULL);
    if (seen_count > SEEN_MOST / 2) __atomic_store_n(&seen_count, 0, __ATOMIC_RELAXED);
  }
  stop = 1;
  for (int i = 0; i < 5; ++i) pthread_join(threads[i], NULL);

  /* Nothing has got lost on the way: all is seen once. */
  recorder_set_recording(1);
  __atomic_store_n(&seen_count, 0, __ATOMIC_RELAXED);
  free(keep(realloc(keep(malloc(3)), 9)));
  CHECK(seen_count == 3);
  void* library = dlopen("./user-now.so", RTLD_LAZY | RTLD_LOCAL);
  void* (*allocate)(size_t) = (void* (*)(size_t))dlsym(library, "allocate");
  __atomic_store_n(&seen_count, 0, __ATOMIC_RELAXED);
  void* p = allocate(5);
  CHECK(seen_count == 1);
  free(p);
  CHECK(seen_count == 2);
  return 0;
}
