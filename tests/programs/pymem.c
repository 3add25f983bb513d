/* Requests to Python's allocators that are written down, and an allocator to put on top of Python's that counts them.
 * A library for ctypes.PyDLL, built without Python's headers. Sizes are multiples of UNIT, which nobody else asks
 * for; small ones are of a kind that Python's small-object allocator serves. */
#include <pthread.h>

#include "ledger.h"

#define UNIT ((size_t)10007)

struct allocator {
  void* context;
  void* (*malloc)(void* context, size_t size);
  void* (*calloc)(void* context, size_t count, size_t size);
  void* (*realloc)(void* context, void* p, size_t size);
  void (*free)(void* context, void* p);
};
void PyMem_GetAllocator(int domain, struct allocator* allocator);
void PyMem_SetAllocator(int domain, struct allocator* allocator);

void* PyMem_RawMalloc(size_t size);
void* PyMem_RawCalloc(size_t count, size_t size);
void* PyMem_RawRealloc(void* p, size_t size);
void PyMem_RawFree(void* p);
void* PyMem_Malloc(size_t size);
void* PyMem_Calloc(size_t count, size_t size);
void* PyMem_Realloc(void* p, size_t size);
void PyMem_Free(void* p);
void* PyObject_Malloc(size_t size);
void* PyObject_Calloc(size_t count, size_t size);
void* PyObject_Realloc(void* p, size_t size);
void PyObject_Free(void* p);

static const struct domain {
  void* (*malloc)(size_t size);
  void* (*calloc)(size_t count, size_t size);
  void* (*realloc)(void* p, size_t size);
  void (*free)(void* p);
} domains[] = {
    {PyMem_RawMalloc, PyMem_RawCalloc, PyMem_RawRealloc, PyMem_RawFree},
    {PyMem_Malloc, PyMem_Calloc, PyMem_Realloc, PyMem_Free},
    {PyObject_Malloc, PyObject_Calloc, PyObject_Realloc, PyObject_Free},
};

/* Of one domain: every function, failures, and blocks that stay. */
static int use_domain(const struct domain* d) {
  const size_t huge = ((size_t)1 << 62) / UNIT * UNIT;
  void* a = d->malloc(3 * UNIT);
  note_allocation(LEDGER_PYMALLOC_MALLOC, 3 * UNIT);
  void* b = d->calloc(UNIT, 4);
  note_allocation(LEDGER_PYMALLOC_CALLOC, 4 * UNIT);
  a = d->realloc(a, 30 * UNIT);
  note_free(3 * UNIT), note_allocation(LEDGER_PYMALLOC_REALLOC, 30 * UNIT);
  if (d->realloc(a, huge) || d->malloc(huge) || d->calloc(UNIT, huge / UNIT)) return 1;
  void* c = d->realloc(NULL, 5 * UNIT);
  note_allocation(LEDGER_PYMALLOC_REALLOC, 5 * UNIT);
  d->free(b);
  note_free(4 * UNIT);
  c = d->realloc(c, 2 * UNIT);
  note_free(5 * UNIT), note_allocation(LEDGER_PYMALLOC_REALLOC, 2 * UNIT);
  d->free(a);
  note_free(30 * UNIT);
  d->free(NULL);
  return c ? 0 : 1; /* two units leak */
}

int pymem_use(void) {
  for (int i = 0; i < 3; i++)
    if (use_domain(&domains[i])) return 1;
  return 0;
}

static void* without_interpreter(void* failed) {
  *(int*)failed = use_domain(&domains[0]);
  return NULL;
}

/* The raw domain, in a thread that Python knows nothing of. */
int pymem_use_in_thread(void) {
  pthread_t thread;
  int failed = 1;
  if (pthread_create(&thread, NULL, without_interpreter, &failed)) return 1;
  pthread_join(thread, NULL);
  return failed;
}

void pymem_print(void) { ledger_print(); }

/* What CPython's structure of a domain holds: context and four functions. */
void pymem_functions(int domain, void** words) { PyMem_GetAllocator(domain, (struct allocator*)words); }

/* The counting allocator. Python passes large requests on from one domain to another: the outermost counts. */
static struct allocator under[3];
static unsigned long long counted;
static int depth;

static void* leave(void* p, size_t size) {
  counted += --depth == 0 && p && size != 0 && size % UNIT == 0;
  return p;
}
static void* count_malloc(void* domain, size_t size) {
  const struct allocator* a = domain;
  depth++;
  return leave(a->malloc(a->context, size), size);
}
static void* count_calloc(void* domain, size_t n, size_t size) {
  const struct allocator* a = domain;
  depth++;
  return leave(a->calloc(a->context, n, size), n * size);
}
static void* count_realloc(void* domain, void* old, size_t size) {
  const struct allocator* a = domain;
  depth++;
  return leave(a->realloc(a->context, old, size), size);
}
static void count_free(void* domain, void* p) {
  const struct allocator* a = domain;
  a->free(a->context, p);
}

void pymem_push(void) {
  for (int i = 0; i < 3; i++) {
    PyMem_GetAllocator(i, &under[i]);
    struct allocator ours = {&under[i], count_malloc, count_calloc, count_realloc, count_free};
    PyMem_SetAllocator(i, &ours);
  }
}
void pymem_pop(void) {
  for (int i = 0; i < 3; i++) PyMem_SetAllocator(i, &under[i]);
}
unsigned long long pymem_counted(void) { return counted; }
