// takes_turns N LIBRARY...: loads each library, allocates N bytes through it, unloads it, and says where it was. With
// N = 0 a library's constructor alone allocates. After each, the directory changes.
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void* volatile kept;

__attribute__((noinline)) static void use(const char* file, size_t size) {
  void* library = dlopen(file, RTLD_NOW);
  if (!library) {
    fprintf(stderr, "%s\n", dlerror());
    exit(1);
  }
  void* (*allocate)(size_t) = (void* (*)(size_t))dlsym(library, "library_allocate");
  if (size) kept = allocate(size);
  printf("%p\n", (void*)allocate);
  dlclose(library);
}

int main(int argc, char** argv) {
  const size_t size = (size_t)atoi(argv[1]);
  for (int i = 2; i < argc; ++i) {
    use(argv[i], size);
    if (chdir("..") != 0) return 1;
  }
  kept = NULL;
  return 0;
}
