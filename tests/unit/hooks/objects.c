/* Libraries that come and go: dlopen, dlclose, another library at the same addresses, search paths and RTLD_NEXT of the
 * caller. Run in the folder that holds the libraries.
 *   objects PLUGIN */
#define _GNU_SOURCE
#include "recorder.h"

#include <dlfcn.h>
#include <link.h>
#include <string.h>

/* One call of a library's allocate(size) and release(p), with what is seen of it. */
static void use(void* library, size_t size) {
  void* (*allocate)(size_t) = (void* (*)(size_t))dlsym(library, "allocate");
  void (*release)(void*) = (void (*)(void*))dlsym(library, "release");
  CHECK(allocate && release);
  const uint32_t before = seen_count;
  void* p = allocate(size);
  release(p);
  CHECK(seen_count == before + 2);
  CHECK(seen[before].kind == SEEN_ALLOCATED && seen[before].size == size);
  CHECK(seen[before].address == (uintptr_t)p && seen[before + 1].address == (uintptr_t)p);
}

static uintptr_t base_of(void* library) {
  struct link_map* map;
  CHECK(dlinfo(library, RTLD_DI_LINKMAP, &map) == 0);
  return map->l_addr;
}

static void* open_library(const char* path) {
  const uint32_t changes = objects_changed_count;
  void* library = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
  if (!library) fprintf(stderr, "%s\n", dlerror());
  CHECK(library);
  CHECK(objects_changed_count == changes + 1);
  return library;
}

static void close_library(void* library) {
  const uint32_t changes = objects_changed_count;
  CHECK(dlclose(library) == 0);
  CHECK(objects_changed_count == changes + 1);
}

/* The same library again, and different ones, until one has come to lie where another was. */
static void reload(void) {
  static const char* const names[] = {"./user-now.so", "./user-lazy.so", "./user-now.so", "./other.so",
                                      "./user-lazy.so"};
  uintptr_t last = 0;
  int reused = 0;
  for (int round = 0; round < 40; ++round) {
    void* library = open_library(names[round % 5]);
    reused += base_of(library) == last;
    last = base_of(library);
    use(library, 100 + (size_t)round);
    close_library(library);
  }
  CHECK(reused > 0);
}

/* A library that stays while others around it go. */
static void stays(void) {
  void* first = open_library("./user-now.so");
  void* second = open_library("./other.so");
  void* third = open_library("./user-lazy.so");
  use(first, 1);
  use(second, 2);
  use(third, 3);
  close_library(second);
  use(first, 4);
  use(third, 5);
  recorder_uninstall();
  CHECK(recorder_install() == NULL);
  use(first, 6);
  use(third, 7);
  close_library(first);
  use(third, 8);
  close_library(third);
}

/* caller.so opens hidden/deep.so by its bare name, which only its own search path finds, and asks for RTLD_NEXT. */
static void call_from(const char* caller) {
  CHECK(!dlopen("deep.so", RTLD_NOW));
  const char* error = dlerror();
  CHECK(error && strstr(error, "deep.so"));

  void* library = open_library(caller);
  void* (*open_by_name)(void) = (void* (*)(void))dlsym(library, "open_by_name");
  void* deep = open_by_name();
  CHECK(deep);
  use(deep, 77);
  void* (*open_by_origin)(void) = (void* (*)(void))dlsym(library, "open_by_origin");
  void* same = open_by_origin();
  CHECK(same == deep);
  int (*next)(void) = (int (*)(void))dlsym(library, "which_next");
  CHECK(next() == 1);
  CHECK(dlclose(deep) == 0 && dlclose(deep) == 0 && dlclose(library) == 0);
}

/* Where the real dlopen fails, the program hears of it as ever; where it succeeds, errno is what dlopen left. */
static void errors(void) {
  CHECK(!dlopen("./no-such-library.so", RTLD_NOW));
  CHECK(dlerror() && !dlerror());
  CHECK(!dlsym(RTLD_DEFAULT, "no_such_symbol") && dlerror());
}

int main(int argc, char** argv) {
  (void)argc;
  recorder_start(argv[1]);
  reload();
  stays();
  call_from("./caller.so");
  call_from("./caller-rpath.so");
  errors();
  return 0;
}
