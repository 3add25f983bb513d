// A stand-in for the recorder, in LD_PRELOAD: it hosts a native unwinder, updates the stack in every allocation as the
// recorder does, and compares what comes out with an uncached unwinding by the same plugin, and, for every Nth
// allocation, with an unwinder that is not memray's. What differs is shown on stderr; the counts go to CHECK_REPORT.
//
//   CHECK_UNWINDER   the plugin
//   CHECK_REFERENCE  libunwind or libgcc
//   CHECK_EVERY      N
#include <memray/unwinder.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <unwind.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#if CHECK_WITH_LIBUNWIND
#define UNW_LOCAL_ONLY
#include <libunwind.h>
#endif

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
}

namespace {

constexpr int kDeepest = 40000;

const memray_unwinder* unwinder;
bool use_libgcc = false;
long every = 1;
std::atomic<long> updates{0}, compared{0}, inconsistent{0}, different{0}, frames{0}, fresh_frames{0}, deepest{0};
std::atomic<int> shown{0};

struct Thread {
  void* cached;
  void* uncached;
  std::uint32_t depth;
  long count;
  std::uint64_t words[kDeepest];
  void* reference[kDeepest];
};

__thread Thread* this_thread;
__thread bool busy;

void* map(std::size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}
void unmap(void* address, std::size_t bytes) { munmap(address, bytes); }
int define_code(const memray_code*) { return 1; }
void describe(const char*, const char*) {}
void warn(const char*) {}
void nothing() {}
void name_thread(std::uint32_t, const char*, std::size_t) {}
std::uint32_t set_quiet(std::uint32_t) { return 0; }
int tracks_objects() { return 0; }
int define_type(std::uint32_t, const char*, std::size_t) { return 1; }
void object_created(std::uintptr_t, std::uint32_t, void*) {}
void object_destroyed(std::uintptr_t) {}

int never_interrupting() { return 0; }

const memray_unwinder_host kHost = {sizeof(memray_unwinder_host),
                                    0,
                                    map,
                                    unmap,
                                    define_code,
                                    describe,
                                    warn,
                                    nothing,
                                    nothing,
                                    name_thread,
                                    set_quiet,
                                    tracks_objects,
                                    define_type,
                                    object_created,
                                    object_destroyed,
                                    never_interrupting,
                                    nullptr};

struct Trace {
  void** to;
  int count;
};

_Unwind_Reason_Code add_frame(_Unwind_Context* context, void* argument) {
  auto& trace = *static_cast<Trace*>(argument);
  if (trace.count == kDeepest) return _URC_END_OF_STACK;
  const auto pc = _Unwind_GetIP(context);
  if (pc != 0) trace.to[trace.count++] = reinterpret_cast<void*>(pc);
  return _URC_NO_REASON;
}

int reference_stack(void** to) {
#if CHECK_WITH_LIBUNWIND
  if (!use_libgcc) return unw_backtrace(to, kDeepest);
#endif
  Trace trace{to, 0};
  _Unwind_Backtrace(add_frame, &trace);
  return trace.count;
}

void show(const char* whose, std::uint64_t word) {
  Dl_info info{};
  dladdr(reinterpret_cast<void*>(word - 1), &info);
  dprintf(2, "  %-9s %#lx %s %s+%#lx\n", whose, static_cast<long>(word), info.dli_sname ? info.dli_sname : "?",
          info.dli_fname ? info.dli_fname : "?",
          static_cast<long>(word) - static_cast<long>(reinterpret_cast<std::uintptr_t>(info.dli_fbase)));
}

// Both innermost first: `ours` from its end.
void show_difference(const Thread& thread, void* const* theirs, std::uint32_t their_count) {
  if (shown.fetch_add(1) >= 4) return;
  dprintf(2, "stack %ld: ours has %u frames, the reference %u\n", thread.count, thread.depth, their_count);
  std::uint32_t i = 0;
  const auto ours = [&](std::uint32_t k) { return thread.words[thread.depth - 1 - k]; };
  while (i < thread.depth && i < their_count && ours(i) == reinterpret_cast<std::uint64_t>(theirs[i])) ++i;
  for (std::uint32_t k = i < 2 ? 0 : i - 2; k < i + 4; ++k) {
    dprintf(2, " frame %u\n", k);
    if (k < thread.depth) show("ours", ours(k));
    if (k < their_count) show("reference", reinterpret_cast<std::uint64_t>(theirs[k]));
  }
}

void compare_with_reference(Thread& thread, void* frame) {
  int count = reference_stack(thread.reference);
  void** theirs = thread.reference;
  void* const caller = static_cast<void**>(frame)[1];
  while (count > 0 && *theirs != caller) ++theirs, --count;
  bool same = static_cast<std::uint32_t>(count) == thread.depth;
  for (std::uint32_t i = 0; same && i < thread.depth; ++i) {
    same = reinterpret_cast<std::uint64_t>(theirs[i]) == thread.words[thread.depth - 1 - i];
  }
  ++compared;
  if (!same) {
    ++different;
    show_difference(thread, theirs, static_cast<std::uint32_t>(count));
  }
}

Thread* begin_thread() {
  auto* thread = static_cast<Thread*>(map(sizeof(Thread)));
  thread->cached = unwinder->thread_begin();
  thread->uncached = unwinder->thread_begin();
  return this_thread = thread;
}

__attribute__((noinline)) void check(void* frame) {
  if (!unwinder || busy) return;
  busy = true;
  Thread& thread = this_thread ? *this_thread : *begin_thread();
  memray_stack_change change;
  unwinder->update(thread.cached, frame, &change);
  bool right = change.keep <= thread.depth && change.keep + change.count <= kDeepest;
  if (right) {
    if (change.count) std::memcpy(thread.words + change.keep, change.frames, change.count * sizeof *change.frames);
    thread.depth = change.keep + change.count;
    fresh_frames += change.count;
    frames += thread.depth;
    if (thread.depth > deepest) deepest = thread.depth;
  }
  if (++thread.count % every == 0) {
    unwinder->thread_reset(thread.uncached);
    unwinder->update(thread.uncached, frame, &change);
    right = right && change.keep == 0 && change.count == thread.depth &&
            std::memcmp(change.frames, thread.words, change.count * sizeof *change.frames) == 0;
    if (right) compare_with_reference(thread, frame);
  }
  if (!right) {
    ++inconsistent;
    dprintf(2, "stack %ld: cached and uncached differ (%u and %u frames)\n", thread.count, thread.depth, change.count);
  }
  ++updates;
  busy = false;
}

template <typename F>
F next(const char* name) {
  return reinterpret_cast<F>(dlsym(RTLD_NEXT, name));
}

void objects_changed() {
  const bool was = busy;
  busy = true;
  if (unwinder && unwinder->objects_changed) unwinder->objects_changed();
#if CHECK_WITH_LIBUNWIND
  unw_flush_cache(unw_local_addr_space, 0, 0);
#endif
  busy = was;
}

__attribute__((constructor)) void begin() {
  const char* plugin = std::getenv("CHECK_UNWINDER");
  if (!plugin) return;
  void* const library = dlopen(plugin, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    std::fprintf(stderr, "%s\n", dlerror());
    std::abort();
  }
  if (const char* reference = std::getenv("CHECK_REFERENCE")) use_libgcc = std::strcmp(reference, "libgcc") == 0;
  if (const char* text = std::getenv("CHECK_EVERY")) every = std::atol(text);
  const auto* descriptor = static_cast<const memray_plugin_descriptor*>(dlsym(library, "memray_plugin"));
  const auto* found = static_cast<const memray_unwinder*>(descriptor->interface);
  if (const char* why = found->attach(&kHost)) {
    std::fprintf(stderr, "%s\n", why);
    std::abort();
  }
  unwinder = found;
  unsetenv("LD_PRELOAD");  // only this program is meant
}

__attribute__((destructor)) void report() {
  const char* path = std::getenv("CHECK_REPORT");
  if (!path || !unwinder) return;
  unwinder = nullptr;
  const int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0644);
  dprintf(fd,
          "{\"updates\": %ld, \"compared\": %ld, \"inconsistent\": %ld, \"different\": %ld, \"frames\": %ld, "
          "\"fresh\": %ld, \"deepest\": %ld}\n",
          updates.load(), compared.load(), inconsistent.load(), different.load(), frames.load(), fresh_frames.load(),
          deepest.load());
  close(fd);
}

}  // namespace

#define PUBLIC extern "C" __attribute__((visibility("default")))

PUBLIC void* malloc(std::size_t size) {
  void* memory = __libc_malloc(size);
  check(__builtin_frame_address(0));
  return memory;
}

PUBLIC void* calloc(std::size_t count, std::size_t size) {
  void* memory = __libc_calloc(count, size);
  check(__builtin_frame_address(0));
  return memory;
}

PUBLIC void* realloc(void* old, std::size_t size) {
  void* memory = __libc_realloc(old, size);
  check(__builtin_frame_address(0));
  return memory;
}

PUBLIC void* dlopen(const char* path, int mode) {
  void* handle = next<void* (*)(const char*, int)>("dlopen")(path, mode);
  objects_changed();
  return handle;
}

PUBLIC int dlclose(void* handle) {
  const int result = next<int (*)(void*)>("dlclose")(handle);
  objects_changed();
  return result;
}

// Nanoseconds per update of an unchanged stack that is as deep as the caller's.
PUBLIC double check_benchmark(long count) {
  busy = true;
  Thread& thread = this_thread ? *this_thread : *begin_thread();
  memray_stack_change change;
  timespec start, end;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
  for (long i = 0; i < count; ++i) unwinder->update(thread.cached, __builtin_frame_address(0), &change);
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
  unwinder->thread_reset(thread.cached);
  thread.depth = 0;
  busy = false;
  return static_cast<double>((end.tv_sec - start.tv_sec) * 1'000'000'000 + end.tv_nsec - start.tv_nsec) /
         static_cast<double>(count);
}
