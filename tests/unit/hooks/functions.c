/* Every function that is hooked, with what has to be seen of it written down beside the call.
 *   functions PLUGIN [allocator]: the allocator that has to be found, "glibc" if none is given. */
#define _GNU_SOURCE
#include "recorder.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

static struct seen expected[256];
static uint32_t expected_count;

static void expect(struct seen event) { expected[expected_count++] = event; }
static void expect_allocation(int allocator, void* p, size_t size) {
  expect((struct seen){.kind = SEEN_ALLOCATED, .allocator = allocator, .address = (uintptr_t)p, .size = size});
}
static void expect_free(void* p) {
  expect((struct seen){.kind = SEEN_FREED, .allocator = MEMRAY_FREE, .address = (uintptr_t)p});
}
static void expect_realloc(void* old, void* p, size_t size) {
  expect((struct seen){.kind = SEEN_REALLOCATED,
                       .allocator = MEMRAY_REALLOC,
                       .address = (uintptr_t)p,
                       .old_address = (uintptr_t)old,
                       .size = size});
}

static void release(void* p) {
  expect_free(p);
  free(p);
}

/* More than there is, unknown to the compiler. */
static size_t huge(void) { return (size_t)keep((void*)(SIZE_MAX / 2 + 1)); }

/* Calls that fail. They are not seen, and errno is what it is without memray. */
enum { kFailures = 5 };
static int errors_unrecorded[kFailures];

static void fail(int* errors) {
  static char* block;
  if (!block) block = malloc(100);
  errno = 0;
  CHECK(!keep(malloc(huge())));
  errors[0] = errno;
  errno = 0;
  CHECK(!keep(calloc(huge(), 3)));
  errors[1] = errno;
  errno = 0;
  CHECK(!keep(reallocarray(block, huge(), 4)));
  errors[2] = errno;
  errno = 0;
  CHECK(!keep(realloc(block, huge())));
  errors[3] = errno;
  void* untouched = block;
  CHECK(posix_memalign(&untouched, 3, 8) == EINVAL && untouched == block);
  errors[4] = errno;
}

static void heap(int is_glibc) {
  void* p = keep(malloc(11));
  expect_allocation(MEMRAY_MALLOC, p, 11);
  void* z = keep(malloc(0));
  expect_allocation(MEMRAY_MALLOC, z, 0);
  void* c = keep(calloc(7, 13));
  expect_allocation(MEMRAY_CALLOC, c, 91);
  void* grown = keep(realloc(p, 100000));
  expect_realloc(p, grown, 100000);
  void* fresh = keep(realloc(NULL, 17));
  expect_realloc(NULL, fresh, 17);
  void* array = keep(reallocarray(fresh, 100, 30));
  expect_realloc(fresh, array, 3000);

  void* aligned = NULL;
  CHECK(posix_memalign(&aligned, 64, 100) == 0);
  expect_allocation(MEMRAY_POSIX_MEMALIGN, aligned, 100);
  void* a = keep(aligned_alloc(128, 256));
  expect_allocation(MEMRAY_ALIGNED_ALLOC, a, 256);
  void* m = keep(memalign(256, 33));
  expect_allocation(MEMRAY_MEMALIGN, m, 33);
  void* v = keep(valloc(44));
  expect_allocation(MEMRAY_VALLOC, v, 44);
  if (is_glibc) {
    void* pv = keep(pvalloc(55));
    expect_allocation(MEMRAY_PVALLOC, pv, 55);
    release(pv);
  }

  int errors[kFailures];
  fail(errors);
  for (int i = 0; i < kFailures; ++i) CHECK(errors[i] == errors_unrecorded[i]);

  /* A successful call leaves errno alone. */
  errno = 12345;
  release(z);
  void* q = keep(malloc(5));
  expect_allocation(MEMRAY_MALLOC, q, 5);
  CHECK(errno == 12345);

  free(keep(NULL));
  void* none = keep(realloc(q, (size_t)keep(NULL)));
  expect_realloc(q, none, 0);
  if (none) release(none);

  release(c);
  release(grown);
  release(array);
  release(aligned);
  release(a);
  release(m);
  release(v);

  /* libc's own callers, too: strdup calls malloc through libc's own slot. */
  char* s = keep(strdup("twelve chars"));
  expect_allocation(MEMRAY_MALLOC, s, 13);
  release(s);
}

static void mappings(void) {
  const int anonymous = MAP_PRIVATE | MAP_ANONYMOUS;
  void* p = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, anonymous, -1, 0);
  expect((struct seen){
      .kind = SEEN_MAPPED, .allocator = -1, .address = (uintptr_t)p, .size = 3 * 4096, .flags = anonymous});
  CHECK(munmap((char*)p + 4096, 4096) == 0);
  expect((struct seen){.kind = SEEN_UNMAPPED, .address = (uintptr_t)p + 4096, .size = 4096});
  CHECK(munmap(p, 3 * 4096) == 0);
  expect((struct seen){.kind = SEEN_UNMAPPED, .address = (uintptr_t)p, .size = 3 * 4096});

  void* r = mmap64(NULL, 4096, PROT_READ | PROT_WRITE, anonymous, -1, 0);
  expect(
      (struct seen){.kind = SEEN_MAPPED, .allocator = -1, .address = (uintptr_t)r, .size = 4096, .flags = anonymous});
  void* moved = mremap(r, 4096, 1 << 20, MREMAP_MAYMOVE);
  CHECK(moved != MAP_FAILED);
  expect((struct seen){.kind = SEEN_REMAPPED,
                       .address = (uintptr_t)moved,
                       .old_address = (uintptr_t)r,
                       .size = 1 << 20,
                       .old_size = 4096});
  void* second = mremap(moved, 1 << 20, 1 << 20, MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
  CHECK(second != MAP_FAILED);
  expect((struct seen){.kind = SEEN_REMAPPED,
                       .address = (uintptr_t)second,
                       .old_address = (uintptr_t)moved,
                       .size = 1 << 20,
                       .old_size = 1 << 20,
                       .flags = 1});

  errno = 0;
  CHECK(mmap(NULL, 0, PROT_READ, anonymous, -1, 0) == MAP_FAILED && errno == EINVAL);
  CHECK(munmap((char*)p + 1, 4096) == -1);
  CHECK(mremap((void*)8192, 4096, 8192, 0) == MAP_FAILED);
}

static void names(void) {
  CHECK(pthread_setname_np(pthread_self(), "by-pthread") == 0);
  CHECK(strcmp(thread_name_seen, "by-pthread") == 0);
  CHECK(prctl(PR_SET_NAME, "by-prctl", 0, 0, 0) == 0);
  CHECK(strcmp(thread_name_seen, "by-prctl") == 0);
}

static int has_name(const char* name) { return strcmp(recorder_allocator_name(), name) == 0; }

int main(int argc, char** argv) {
  const char* allocator = argc > 2 ? argv[2] : "glibc";
  const int is_glibc = strcmp(allocator, "glibc") == 0;
  fail(errors_unrecorded);
  recorder_start(argv[1]);
  heap(is_glibc);
  const uint32_t in_heap = expected_count;
  mappings();
  names();
  recorder_set_recording(0);
  free(keep(malloc(99)));
  CHECK(has_name(allocator));

  for (uint32_t i = 0; i < expected_count; ++i) {
    const struct seen *e = &expected[i], *s = &seen[i];
    if (e->kind != s->kind || e->allocator != s->allocator || e->address != s->address ||
        e->old_address != s->old_address || e->size != s->size || e->old_size != s->old_size || e->flags != s->flags) {
      fprintf(stderr,
              "event %u: expected kind %d allocator %d %#zx <- %#zx size %zu, saw %d %d %#zx <- %#zx size %zu\n", i,
              e->kind, e->allocator, e->address, e->old_address, e->size, s->kind, s->allocator, s->address,
              s->old_address, s->size);
      return 1;
    }
    /* The frame leads to the caller, which is this program or, of strdup, libc. */
    extern char __executable_start, etext;
    const int here = (char*)s->caller >= &__executable_start && (char*)s->caller < &etext;
    CHECK(here || i == in_heap - 2);
  }
  CHECK(seen_count == expected_count);
  return 0;
}
