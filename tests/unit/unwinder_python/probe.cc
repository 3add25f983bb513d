// A stand-in for the recorder, in LD_PRELOAD: it hosts the unwinder, keeps the code definitions that it is given, and
// lets Python scripts look at the result through ctypes. Its allocator wrappers update the stack inside every malloc,
// as the recorder does, and compare the result with that of a second, uncached walk.
#include <memray/unwinder.h>

#include "collector/line_table.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <vector>

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
}

namespace {

struct Code {
  std::string name, qualified_name, file;
  std::uint32_t first_line;
  memray_line_table kind;
  std::vector<std::uint8_t> line_table;
};

// One thread's stacks: as kept up to date, and as read from scratch.
struct Stacks {
  void* cached = nullptr;
  void* uncached = nullptr;
  std::vector<std::uint64_t> words;
};

const memray_unwinder* unwinder;
std::mutex definitions_lock;
std::map<std::uint32_t, Code> codes;
std::map<std::string, std::string> facts;
std::string warnings;
std::atomic<bool> recording{false};
std::atomic<int> starts{0}, stops{0};
std::atomic<bool> in_mallocs{false};
std::atomic<long> walks{0}, mismatches{0};

thread_local bool busy = false;
thread_local bool interrupting = false;
thread_local Stacks stacks;

void* map(std::size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}
void unmap(void* address, std::size_t bytes) { munmap(address, bytes); }

int define_code(const memray_code* code) {
  if (interrupting) return 1;  // in a signal handler: nothing may be allocated or locked
  const std::lock_guard lock(definitions_lock);
  Code& mine = codes[code->number];
  mine.name.assign(code->name, code->name_size);
  if (code->qualified_name) mine.qualified_name.assign(code->qualified_name, code->qualified_name_size);
  mine.file.assign(code->file, code->file_size);
  mine.first_line = code->first_line;
  mine.kind = code->line_table_kind;
  mine.line_table.assign(code->line_table, code->line_table + code->line_table_size);
  return 1;
}

void describe(const char* key, const char* value) {
  const std::lock_guard lock(definitions_lock);
  facts[key] = value;
}

void warn(const char* text) {
  const std::lock_guard lock(definitions_lock);
  warnings += text;
  warnings += '\n';
}

void set_recording(int now) {
  recording = now != 0;
  unwinder->recording_changed(now);
}

void note(const char* what) {
  if (const char* log = std::getenv("PROBE_LOG")) {
    if (FILE* file = std::fopen(log, "a")) {
      std::fprintf(file, "%s %d\n", what, static_cast<int>(getpid()));
      std::fclose(file);
    }
  }
}

void start_recording() {
  ++starts;
  note("start");
  set_recording(1);
}
void stop_recording() {
  ++stops;
  note("stop");
  set_recording(0);
}

void name_thread(std::uint32_t, const char*, std::size_t) {}
std::uint32_t set_quiet(std::uint32_t) { return 0; }
int tracks_objects() { return 0; }
int define_type(std::uint32_t, const char*, std::size_t) { return 1; }
void object_created(std::uintptr_t, std::uint32_t, void*) {}
void object_destroyed(std::uintptr_t) {}

int never_interrupting() { return 0; }
int has_native_stacks() { return std::getenv("PROBE_PYTHON_ONLY") == nullptr; }

const memray_unwinder_host kHost = {sizeof(memray_unwinder_host),
                                    0,
                                    map,
                                    unmap,
                                    define_code,
                                    describe,
                                    warn,
                                    start_recording,
                                    stop_recording,
                                    name_thread,
                                    set_quiet,
                                    tracks_objects,
                                    define_type,
                                    object_created,
                                    object_destroyed,
                                    never_interrupting,
                                    has_native_stacks};

bool load(const char* plugin) {
  if (unwinder) return true;
  void* const library = dlopen(plugin, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    std::fprintf(stderr, "%s\n", dlerror());
    return false;
  }
  const auto* descriptor = static_cast<const memray_plugin_descriptor*>(dlsym(library, "memray_plugin"));
  unwinder = static_cast<const memray_unwinder*>(descriptor->interface);
  return unwinder->attach(&kHost) == nullptr;
}

void take(std::vector<std::uint64_t>& words, const memray_stack_change& change) {
  words.resize(change.keep);
  words.insert(words.end(), change.frames, change.frames + change.count);
}

// Brings `stacks` up to date and checks it against an uncached walk.
void walk() {
  if (!stacks.cached) {
    stacks.cached = unwinder->thread_begin();
    stacks.uncached = unwinder->thread_begin();
  }
  memray_stack_change change;
  unwinder->update(stacks.cached, __builtin_frame_address(0), &change);
  if (change.keep > stacks.words.size()) ++mismatches;
  take(stacks.words, change);
  unwinder->thread_reset(stacks.uncached);
  unwinder->update(stacks.uncached, __builtin_frame_address(0), &change);
  if (change.keep != 0 || change.count != stacks.words.size() ||
      !std::equal(stacks.words.begin(), stacks.words.end(), change.frames)) {
    ++mismatches;
    take(stacks.words, change);
  }
  ++walks;
}

void walk_in_malloc() {
  if (!in_mallocs.load(std::memory_order_relaxed) || !unwinder || busy) return;
  busy = true;
  walk();
  busy = false;
}

// One line a frame, innermost first: name, qualified name, file, line, offset, entry flag.
std::string text_of(const std::vector<std::uint64_t>& words) {
  const std::lock_guard lock(definitions_lock);
  std::string text;
  for (auto word = words.rbegin(); word != words.rend(); ++word) {
    const auto found = codes.find(static_cast<std::uint32_t>(*word >> 32 & 0x7fff'ffff));
    if (found == codes.end()) {
      text += "undefined code\n";
      continue;
    }
    const Code& code = found->second;
    const auto offset = static_cast<std::uint32_t>(*word);
    text += code.name + '\t' + code.qualified_name + '\t' + code.file + '\t' +
            std::to_string(memray::line_of(code.kind, code.line_table, code.first_line, offset)) + '\t' +
            std::to_string(offset) + '\t' + std::to_string(*word >> 63) + '\n';
  }
  return text;
}

// Like the recorder's constructor; after those of the objects above.
const bool attached = [] {
  const char* plugin = std::getenv("PROBE_START");
  if (!plugin || !load(plugin)) return false;
  note(unwinder->start_with_program() ? "arranged" : "no program");
  return true;
}();

}  // namespace

#define PROBE extern "C" __attribute__((visibility("default")))

PROBE int probe_open(const char* plugin) {
  if (!load(plugin)) return 0;
  if (!recording) set_recording(1);
  return 1;
}

PROBE const char* probe_stack() {
  thread_local std::string text;
  busy = true;
  walk();
  text = text_of(stacks.words);
  busy = false;
  return text.c_str();
}

// A timer that walks in signal handlers, in the middle of whatever the interpreter does.
PROBE void probe_interrupt(int microseconds) {
  static void *cached, *uncached;
  if (!cached) {
    cached = unwinder->thread_begin();
    uncached = unwinder->thread_begin();
  }
  static const pthread_t thread = pthread_self();
  struct sigaction action = {};
  action.sa_flags = SA_RESTART;
  action.sa_handler = [](int) {
    if (busy || !pthread_equal(pthread_self(), thread)) return;
    interrupting = true;
    memray_stack_change change, whole;
    unwinder->update(cached, nullptr, &change);
    unwinder->thread_reset(uncached);
    unwinder->update(uncached, nullptr, &whole);
    if (change.keep + change.count != whole.count ||
        !std::equal(change.frames, change.frames + change.count, whole.frames + change.keep)) {
      ++mismatches;
    }
    ++walks;
    interrupting = false;
  };
  sigaction(SIGALRM, &action, nullptr);
  const itimerval timer = {{0, microseconds}, {0, microseconds}};
  setitimer(ITIMER_REAL, &timer, nullptr);
}

PROBE void probe_record(int now) { set_recording(now); }
PROBE void probe_in_mallocs(int on) { in_mallocs = on != 0; }
PROBE long probe_walks() { return walks; }
PROBE long probe_mismatches() { return mismatches; }
PROBE long probe_codes() { return static_cast<long>(codes.size()); }
PROBE const char* probe_warnings() { return warnings.c_str(); }
PROBE int probe_starts() { return starts; }

PROBE const char* probe_fact(const char* key) {
  const auto found = facts.find(key);
  return found == facts.end() ? "" : found->second.c_str();
}

// Nanoseconds per update of an unchanged stack.
PROBE double probe_benchmark(int updates) {
  busy = true;
  walk();
  memray_stack_change change;
  const std::clock_t start = std::clock();
  for (int i = 0; i < updates; ++i) unwinder->update(stacks.cached, nullptr, &change);
  const std::clock_t end = std::clock();
  busy = false;
  return static_cast<double>(end - start) * (1e9 / CLOCKS_PER_SEC) / updates;
}

PROBE void* malloc(std::size_t size) {
  void* memory = __libc_malloc(size);
  walk_in_malloc();
  return memory;
}

PROBE void* calloc(std::size_t count, std::size_t size) {
  void* memory = __libc_calloc(count, size);
  walk_in_malloc();
  return memory;
}

PROBE void* realloc(void* old, std::size_t size) {
  void* memory = __libc_realloc(old, size);
  walk_in_malloc();
  return memory;
}
