/* Counts successful allocations, and does nothing else: what a recording is compared with. Independent of memray.
 *
 *   cc -O2 -shared -fPIC bench/counter.c -o counter.so
 *   COUNTER_FILE=/tmp/counts LD_PRELOAD=$PWD/counter.so program      # then: od -A n -t u8 /tmp/counts
 *
 * The file gets two numbers: calls of malloc's family, and, if COUNTER_PYTHON is set, requests to Python's allocators;
 * what those get from malloc is then not counted. Both variables and LD_PRELOAD are taken out of the environment, so
 * that the program finds the one that it would have without. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* p, size_t size);
void* __libc_memalign(size_t alignment, size_t size);

static unsigned long long early[2], *counts = early;
static __thread int depth __attribute__((tls_model("initial-exec")));

static void* count(int which, void* p) {
  if (p && depth == 0) __atomic_fetch_add(&counts[which], 1, __ATOMIC_RELAXED);
  return p;
}

void* malloc(size_t size) { return count(0, __libc_malloc(size)); }
void* calloc(size_t n, size_t size) { return count(0, __libc_calloc(n, size)); }
void* realloc(void* p, size_t size) { return count(0, __libc_realloc(p, size)); }
void* memalign(size_t alignment, size_t size) { return count(0, __libc_memalign(alignment, size)); }
void* aligned_alloc(size_t alignment, size_t size) { return count(0, __libc_memalign(alignment, size)); }
int posix_memalign(void** result, size_t alignment, size_t size) {
  if (alignment % sizeof(void*) || !alignment || (alignment & (alignment - 1))) return EINVAL;
  void* p = count(0, __libc_memalign(alignment, size));
  if (!p) return ENOMEM;
  *result = p;
  return 0;
}

/* CPython's PyMemAllocatorEx, and what is below ours in each of the three domains. */
struct allocator {
  void *context, *(*malloc)(void*, size_t), *(*calloc)(void*, size_t, size_t), *(*realloc)(void*, void*, size_t);
  void (*free)(void*, void*);
};
static struct allocator below[3];
void PyMem_GetAllocator(int domain, struct allocator*) __attribute__((weak));
void PyMem_SetAllocator(int domain, struct allocator*) __attribute__((weak));

#define INNER(call) (depth++, inner = (call), depth--, count(1, inner))
static void* python_malloc(void* domain, size_t size) {
  struct allocator* a = domain;
  void* inner;
  return INNER(a->malloc(a->context, size));
}
static void* python_calloc(void* domain, size_t n, size_t size) {
  struct allocator* a = domain;
  void* inner;
  return INNER(a->calloc(a->context, n, size));
}
static void* python_realloc(void* domain, void* p, size_t size) {
  struct allocator* a = domain;
  void* inner;
  return INNER(a->realloc(a->context, p, size));
}
static void python_free(void* domain, void* p) {
  struct allocator* a = domain;
  a->free(a->context, p);
}

static char* take(char** environment, const char* name) {
  const size_t size = strlen(name);
  for (char** e = environment; *e; ++e) {
    if (strncmp(*e, name, size) || (*e)[size] != '=') continue;
    char* value = *e + size + 1;
    do e[0] = e[1];
    while (*e++);
    return value;
  }
  return NULL;
}

__attribute__((constructor)) static void begin(int argc, char** argv, char** environment) {
  (void)argc, (void)argv;
  const char* file = take(environment, "COUNTER_FILE");
  take(environment, "LD_PRELOAD");
  const int python = take(environment, "COUNTER_PYTHON") != NULL;
  const int fd = file ? open(file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
  if (fd < 0 || ftruncate(fd, 4096)) return;
  unsigned long long* mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (mapped == MAP_FAILED) return;
  mapped[0] = early[0];
  counts = mapped;
  for (int domain = 0; python && PyMem_GetAllocator && domain < 3; ++domain) {
    PyMem_GetAllocator(domain, &below[domain]);
    struct allocator ours = {&below[domain], python_malloc, python_calloc, python_realloc, python_free};
    PyMem_SetAllocator(domain, &ours);
  }
}
