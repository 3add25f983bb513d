#define _GNU_SOURCE
#include "recorder.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct seen seen[SEEN_MOST];
uint32_t seen_count;
uint32_t objects_changed_count, executing_count, exec_failed_count;
char thread_name_seen[64], described[512];

static const struct memray_hooks* hooks;
static volatile uint32_t* recording;
static uint32_t clock_now;
static __thread uint32_t inside __attribute__((tls_model("initial-exec")));
static pid_t recorded_pid;

static void add(struct seen event, void* frame) {
  event.caller = ((void**)frame)[1];
  const uint32_t i = __atomic_fetch_add(&seen_count, 1, __ATOMIC_RELAXED);
  if (i < SEEN_MOST) seen[i] = event;
  errno = errno;
}

static uint64_t stamp(uintptr_t address) {
  (void)address;
  return __atomic_add_fetch(&clock_now, 1, __ATOMIC_RELAXED);
}

static void allocated(enum memray_allocator kind, uintptr_t address, size_t size, void* frame) {
  add((struct seen){.kind = SEEN_ALLOCATED, .allocator = kind, .address = address, .size = size}, frame);
}
static void deallocating(enum memray_allocator kind, uintptr_t address, void* frame) {
  add((struct seen){.kind = SEEN_FREED, .allocator = kind, .address = address}, frame);
}
static void reallocated(enum memray_allocator kind, uint64_t before, uintptr_t old, uintptr_t address, size_t size,
                        void* frame) {
  if (before == 0) abort();
  add((struct seen){.kind = SEEN_REALLOCATED, .allocator = kind, .address = address, .old_address = old, .size = size},
      frame);
}
static void mapped(uintptr_t address, size_t length, int flags, int fd, void* frame) {
  add((struct seen){.kind = SEEN_MAPPED, .allocator = fd, .address = address, .size = length, .flags = flags}, frame);
}
static void unmapped(uint64_t before, uintptr_t address, size_t length, void* frame) {
  if (before == 0) abort();
  add((struct seen){.kind = SEEN_UNMAPPED, .address = address, .size = length}, frame);
}
static void remapped(uint64_t before, uintptr_t old, size_t old_length, uintptr_t address, size_t length, int keep_old,
                     void* frame) {
  if (before == 0) abort();
  add((struct seen){.kind = SEEN_REMAPPED,
                    .address = address,
                    .old_address = old,
                    .size = length,
                    .old_size = old_length,
                    .flags = keep_old},
      frame);
}
static void objects_changed(void) { __atomic_fetch_add(&objects_changed_count, 1, __ATOMIC_RELAXED); }

static char* const* exec_environment(char* const* envp, void* storage, size_t storage_size) {
  static char passed[] = "HOOKS_TEST_PASSED_ON=1";
  if (syscall(SYS_getpid) != recorded_pid) return storage ? envp : NULL;
  size_t count = 0;
  while (envp && envp[count]) ++count;
  const size_t needed = (count + 2) * sizeof(char*);
  if (!storage) return (char* const*)needed;
  if (storage_size < needed) abort();
  char** to = storage;
  for (size_t i = 0; i < count; ++i) to[i] = envp[i];
  to[count] = passed;
  to[count + 1] = NULL;
  return to;
}
static char* const* spawn_environment(char* const* envp, void* storage, size_t storage_size) {
  return exec_environment(envp, storage, storage_size);
}
static void executing(void) { executing_count++; }
static void exec_failed(void) { exec_failed_count++; }

static void thread_named(int self, unsigned long pthread, const char* name) {
  (void)pthread;
  if (self) snprintf(thread_name_seen, sizeof thread_name_seen, "%s", name);
}

static void describe(const char* key, const char* value) {
  const size_t used = strlen(described);
  snprintf(described + used, sizeof described - used, "%s=%s\n", key, value);
}
static void describe_warning(const char* text) { describe("warning", text); }

static struct memray_recorder interface = {
    sizeof(struct memray_recorder),
    0,
    NULL,
    stamp,
    allocated,
    deallocating,
    reallocated,
    mapped,
    unmapped,
    remapped,
    objects_changed,
    exec_environment,
    executing,
    exec_failed,
    thread_named,
    0,
    describe,
    describe_warning,
    spawn_environment,
};

/* dlopen must not be called before libc's constructor, which it would run with the wrong arguments. A preloaded plugin
 * is there already. */
static const struct memray_plugin_descriptor* find_descriptor(const char* plugin) {
  for (const struct link_map* object = _r_debug.r_map; object; object = object->l_next) {
    if (strcmp(object->l_name, plugin) == 0) return dlsym(RTLD_DEFAULT, "memray_plugin");
  }
  void* library = dlopen(plugin, RTLD_NOW | RTLD_LOCAL);
  return library ? dlsym(library, "memray_plugin") : NULL;
}

const char* recorder_attach(const char* plugin) {
  recording = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  madvise((void*)recording, 4096, MADV_WIPEONFORK);
  recorded_pid = getpid();
  const struct memray_plugin_descriptor* descriptor = find_descriptor(plugin);
  if (!descriptor || descriptor->magic != MEMRAY_PLUGIN_MAGIC || descriptor->kind != MEMRAY_PLUGIN_HOOKS) {
    return "no hook plugin";
  }
  hooks = descriptor->interface;
  interface.recording = recording;
  interface.inside = (char*)&inside - (char*)__builtin_thread_pointer();
  return hooks->attach(&interface);
}

const char* recorder_install(void) { return hooks->install(); }
void recorder_uninstall(void) { hooks->uninstall(); }
void recorder_set_recording(int on) {
  if (!recording || *recording == (uint32_t)on) return;
  if (on && hooks->recording_changed) hooks->recording_changed(1);
  *recording = (uint32_t)on;
  if (!on && hooks->recording_changed) hooks->recording_changed(0);
}
int recorder_is_recording(void) { return (int)*recording; }
const char* recorder_allocator_name(void) { return hooks->allocator_name(); }
void recorder_adopt_process(void) { recorded_pid = getpid(); }

void recorder_start(const char* plugin) {
  const char* why = recorder_attach(plugin);
  if (!why) why = recorder_install();
  if (why) {
    fprintf(stderr, "%s\n", why);
    _Exit(2);
  }
  recorder_set_recording(1);
}

/* HOOKS_TEST_REPORT=file: record the whole program and write the totals at its end, as valgrind counts them. */
static void report(void) {
  recorder_set_recording(0);
  unsigned long long allocations = 0, frees = 0, bytes = 0;
  for (uint32_t i = 0; i < seen_count && i < SEEN_MOST; ++i) {
    const struct seen* event = &seen[i];
    if (event->kind == SEEN_ALLOCATED || (event->kind == SEEN_REALLOCATED && event->address)) {
      ++allocations;
      bytes += event->size;
    }
    if (event->kind == SEEN_FREED || (event->kind == SEEN_REALLOCATED && event->old_address)) ++frees;
  }
  FILE* out = fopen(getenv("HOOKS_TEST_REPORT"), "w");
  if (!out) return;
  fprintf(out, "%llu %llu %llu %d\n", allocations, frees, bytes, seen_count > SEEN_MOST);
  fclose(out);
}

__attribute__((constructor)) static void begin(int argc, char** argv, char** envp) {
  (void)argc, (void)argv;
  const char* plugin = NULL;
  int wanted = 0;
  for (; *envp; ++envp) {
    if (strncmp(*envp, "HOOKS_TEST_REPORT=", 18) == 0) wanted = 1;
    if (strncmp(*envp, "HOOKS_TEST_PLUGIN=", 18) == 0) plugin = *envp + 18;
  }
  if (wanted && plugin) recorder_start(plugin);
}

__attribute__((destructor)) static void end(void) {
  if (getenv("HOOKS_TEST_REPORT") && recording && getpid() == recorded_pid) report();
}
