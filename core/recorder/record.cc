// The hot path: from a hook's call to words in a chunk.
//
// An allocation costs: one thread-local load, two tests, a time stamp (see stamp_of), the unwinder's verification of
// the last stack, three stores and a release store. Nothing is locked, no system call is made, and all that can be slow
// (a new thread, a full chunk, a signal handler's allocation in the middle of ours) is out of line.
//
// Stacks are written as changes. The unwinder says how many outer frames are the same as at this thread's last record;
// the collector, which reads a thread's items in order, keeps the rest. So the target needs no table of stacks.
#include "thread.h"

namespace memray::recorder {

namespace {

__thread std::uint32_t inside;  // memray_inside()

using session::Item;

#define MEMRAY_COLD __attribute__((noinline, cold))

constexpr std::uint64_t of_kind(Item item, memray_allocator kind) {
  return static_cast<std::uint64_t>(item) | static_cast<std::uint64_t>(kind);
}

inline constexpr std::uint64_t kNow = ~std::uint64_t{0};

// A change that does not fit what is left of the chunk is written in several items.
MEMRAY_COLD bool write_long_change(Thread* thread, std::uint32_t kind, const memray_stack_change& change) {
  std::uint32_t keep = change.keep;
  const std::uint64_t* frames = change.frames;
  std::uint32_t left = change.count;
  do {
    if (!reserve(thread, 2)) return false;
    const auto room = static_cast<std::uint32_t>(thread->end - thread->cursor) - 1;
    const std::uint32_t count = left < room ? left : room;
    *thread->cursor++ = session::stack_item(kind, keep, count);
    for (std::uint32_t i = 0; i < count; ++i) *thread->cursor++ = *frames++;
    commit(thread);
    keep += count;
    left -= count;
  } while (left != 0);
  return true;
}

inline bool write_stacks(Thread* thread, void* frame) {
  for (std::uint32_t kind = 0; kind < MEMRAY_STACK_KINDS; ++kind) {
    const memray_unwinder* unwinder = process.unwinders[kind];
    if (!unwinder || !thread->stacks[kind]) continue;
    memray_stack_change change;
    unwinder->update(thread->stacks[kind], frame, &change);
    if (change.count == 0 && change.keep == thread->depth[kind]) continue;
    thread->depth[kind] = change.keep + change.count;
    if (__builtin_expect(thread->end - thread->cursor <= static_cast<std::ptrdiff_t>(change.count), false)) {
      if (!write_long_change(thread, kind, change)) return false;
      continue;
    }
    std::uint64_t* cursor = thread->cursor;
    *cursor++ = session::stack_item(kind, change.keep, change.count);
    for (std::uint32_t i = 0; i < change.count; ++i) *cursor++ = change.frames[i];
    thread->cursor = cursor;
  }
  return true;
}

// What an event needed could not be written. The stack is written whole with the next one.
MEMRAY_COLD void lose_event(Thread* thread) {
  process.control->dropped.fetch_add(1, std::memory_order_relaxed);
  renew_thread(thread);
}

template <std::uint32_t N>
inline void put(Thread* thread, const std::uint64_t (&words)[N]) {
  for (std::uint32_t i = 0; i < N; ++i) thread->cursor[i] = words[i];
  thread->cursor += N;
  commit(thread);
}

// Writes one item, with the stack of the moment if `Stacked`. It is stamped with `before`, taken before a call that has
// returned now, unless that is in the future: what was taken in an earlier session means nothing in this one.
template <bool Stacked, std::uint32_t N>
inline void record(std::uint64_t (&&words)[N], void* frame, std::uint64_t before = kNow) {
  bool interrupted;
  Thread* thread = enter(interrupted);
  if (__builtin_expect(!thread, false)) return;
  const std::uint64_t latest = stamp_of(thread);
  words[0] |= (before < latest ? before : latest) << 8;
  if (__builtin_expect(interrupted, false)) return add_pending(thread, words, N);
  if (__builtin_expect((!Stacked || write_stacks(thread, frame)) && reserve(thread, N), true)) {
    put(thread, words);
  } else {
    lose_event(thread);
  }
  leave(thread);
}

std::uint64_t stamp() {
  bool interrupted;
  Thread* thread = enter(interrupted);
  if (__builtin_expect(!thread, false)) return now();
  const std::uint64_t result = stamp_of(thread);
  if (!interrupted) leave(thread);
  return result;
}

void allocated(memray_allocator kind, std::uintptr_t address, std::size_t size, void* frame) {
  record<true>({of_kind(Item::kAllocation, kind), address, size}, frame);
}

void deallocating(memray_allocator kind, std::uintptr_t address, void*) {
  record<false>({of_kind(Item::kDeallocation, kind), address}, nullptr);
}

void reallocated(memray_allocator kind, std::uint64_t before, std::uintptr_t old_address, std::uintptr_t address,
                 std::size_t size, void* frame) {
  const auto undo = kind == MEMRAY_PYMALLOC_REALLOC ? MEMRAY_PYMALLOC_FREE : MEMRAY_FREE;
  if (old_address) record<false>({of_kind(Item::kDeallocation, undo), old_address}, nullptr, before);
  if (address) record<true>({of_kind(Item::kAllocation, kind), address, size}, frame);
}

void mapped(std::uintptr_t address, std::size_t length, int flags, int fd, void* frame) {
  const std::uint64_t how = static_cast<std::uint32_t>(flags) | std::uint64_t{static_cast<std::uint32_t>(fd)} << 32;
  record<true>({Item::kMapping, address, length, how}, frame);
}

void unmapped(std::uint64_t before, std::uintptr_t address, std::size_t length, void*) {
  record<false>({Item::kUnmapping, address, length}, nullptr, before);
}

void remapped(std::uint64_t before, std::uintptr_t old_address, std::size_t old_length, std::uintptr_t address,
              std::size_t length, int keep_old, void* frame) {
  if (!keep_old) unmapped(before, old_address, old_length, frame);
  record<true>({Item::kMapping, address, length, session::kRemapped}, frame);
}

void objects_changed() {
  process.inside.fetch_add(1, std::memory_order_seq_cst);
  if (process.session) {
    for (const memray_unwinder* unwinder : process.unwinders) {
      if (unwinder && unwinder->objects_changed) unwinder->objects_changed();
    }
    for (std::uint32_t i = 0; i < process.hooks_count; ++i) {
      if (process.hooks[i]->objects_changed) process.hooks[i]->objects_changed();
    }
    if (*process.recording) announce_modules();
  }
  process.inside.fetch_sub(1, std::memory_order_release);
}

void executing() {
  if (process.session && sys::getpid() == process.pid) write_mark(Item::kExec);
}

void exec_failed() {
  if (process.session && sys::getpid() == process.pid) write_mark(Item::kExecFailed);
}

}  // namespace

// After an unloading the same words may mean other functions, so threads report their stacks anew.
void announce_modules() {
  if (!process.unwinders[MEMRAY_STACK_NATIVE]) return;
  Thread* thread = enter();
  if (!thread) return;
  const bool unloaded = tell_modules();
  thread->stamps_left = 0;  // the list holds for what is stamped later
  leave(thread);
  if (unloaded) process.epoch.fetch_add(1, std::memory_order_acq_rel);
}

int tracks_objects() { return process.session && process.control->track_objects; }

void object_created(std::uintptr_t address, std::uint32_t type, void* frame) {
  if (*process.recording) record<true>({Item::kObjectCreated, address, type}, frame);
}

void object_destroyed(std::uintptr_t address) {
  if (*process.recording) record<false>({Item::kObjectDestroyed, address}, nullptr);
}

std::uint32_t set_quiet(std::uint32_t quiet) {
  Thread* thread = this_thread;
  if (!thread && *process.recording) thread = first_entry(thread);
  if (is_mark(thread)) return 0;
  const std::uint32_t before = thread->busy;
  thread->busy = quiet;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  return before;
}

void write_mark(std::uint8_t item) { record<false>({item}, nullptr); }
void write_mark_with_stack(std::uint8_t item, void* frame) { record<true>({item}, frame); }

const memray_recorder& recorder_interface() {
  static memray_recorder interface = {
      sizeof(memray_recorder),
      0,
      process.recording,
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
      reinterpret_cast<char*>(&inside) - static_cast<char*>(__builtin_thread_pointer()),
      describe,
      warn,
      spawn_environment,
  };
  interface.recording = process.recording;
  return interface;
}

}  // namespace memray::recorder
