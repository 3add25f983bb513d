// The hot path: from a hook's call to words in a chunk.
//
// An allocation costs: one thread-local load, two tests, a time stamp (see stamp_of), the unwinder's verification of
// the last stack, three stores and a release store. Nothing is locked, no system call is made, and all that can be slow
// (a new thread, a full chunk, a signal handler's allocation in the middle of ours) is out of line.
//
// Stacks are written as changes. The unwinder says how many outer frames are the same as at this thread's last record;
// the collector, which reads a thread's items in order, keeps the rest. So the target needs no table of stacks.
#include "stamps.h"
#include "thread.h"

#include <utility>

namespace memray::recorder {

namespace {

__thread std::uint32_t inside;  // memray_inside()

using session::Item;

#define MEMRAY_COLD __attribute__((noinline, cold))

constexpr std::uint64_t shifted(std::uint64_t stamp) { return stamp << 8; }

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

__attribute__((noinline)) bool write_change(Thread* thread, std::uint32_t kind, const memray_stack_change& change) {
  end_repeats(thread);
  thread->depth[kind] = change.keep + change.count;
  if (__builtin_expect(thread->end - thread->cursor <= static_cast<std::ptrdiff_t>(change.count), false))
    return write_long_change(thread, kind, change);
  std::uint64_t* cursor = thread->cursor;
  *cursor++ = session::stack_item(kind, change.keep, change.count);
  for (std::uint32_t i = 0; i < change.count; ++i) *cursor++ = change.frames[i];
  thread->cursor = cursor;
  return true;
}

// A thread has a stack of those kinds for which there is an unwinder.
template <memray_stack_kind Kind>
inline bool write_stack(Thread* thread, void* frame) {
  void* const stack = thread->stacks[Kind];
  if (!stack) return true;
  memray_stack_change change;
  process.unwinders[Kind]->update(stack, frame, &change);
  if (change.count == 0 && change.keep == thread->depth[Kind]) return true;
  return write_change(thread, Kind, change);
}

inline bool write_stacks(Thread* thread, void* frame) {
  return write_stack<MEMRAY_STACK_PYTHON>(thread, frame) && write_stack<MEMRAY_STACK_NATIVE>(thread, frame);
}

// What an event needed could not be written. The stack is written whole with the next one.
MEMRAY_COLD void lose_event(Thread* thread) {
  process.control->dropped.fetch_add(1, std::memory_order_relaxed);
  renew_thread(thread);
}

template <std::uint32_t N>
inline bool put(Thread* thread, const std::uint64_t (&words)[N]) {
  if (__builtin_expect(!reserve(thread, N), false)) return false;
  for (std::uint32_t i = 0; i < N; ++i) thread->cursor[i] = words[i];
  thread->cursor += N;
  commit(thread);
  return true;
}

// The item of a block, after its stamp where that is another one than before.
template <std::uint32_t N>
bool put_with_stamp(Thread* thread, const std::uint64_t (&words)[N], std::uint64_t stamp) {
  thread->quick_end = nullptr;
  if (!reserve(thread, N + 1)) return false;
  if (stamp != thread->written_stamp) {
    *thread->cursor++ = session::stamp_item(stamp);
    thread->written_stamp = stamp;
  }
  return put(thread, words);
}

// The same, after a look at the clock.
template <std::uint32_t N>
__attribute__((noinline)) bool put_with_new_stamp(Thread* thread, const std::uint64_t (&words)[N],
                                                  std::uintptr_t address) {
  constexpr std::ptrdiff_t kWordsPerLook = 128;
  const Look found = look_at_clock(thread, address);
  if (!put_with_stamp(thread, words, found.stamp)) return false;
  if (!found.was_owner) return true;
  const std::ptrdiff_t room = thread->end - thread->cursor;
  thread->quick_end = thread->cursor + (room < kWordsPerLook ? room : kWordsPerLook);
  fetch_ahead(thread, thread->quick_end);
  return true;
}

// How nearly every item is put. False: nothing has been done.
inline bool put_quickly(Thread* thread, std::uint64_t item, std::uintptr_t address) {
  constexpr std::uint32_t kMostRepeats = 4096;
  std::uint64_t* const cursor = thread->cursor;
  if (!__builtin_expect(cursor < thread->quick_end, true) || !may_stamp_alike(thread, address)) return false;
  Repeated& repeated = thread->repeated;
  if (__builtin_expect(cursor == repeated.behind, false)) {
    if (item == repeated.items[repeated.count & 1] && repeated.count < kMostRepeats) {
      ++repeated.count;
      commit(thread);
      return true;
    }
    if (repeated.count != 0) return false;
  }
  *cursor = item;
  thread->cursor = cursor + 1;
  commit(thread, 0);
  return true;
}

inline bool put_allocation(Thread* thread, std::uint64_t item) {
  const std::uintptr_t address = session::address_of_allocation(item);
  if (__builtin_expect(!put_quickly(thread, item, address), false) && !put_with_new_stamp(thread, {item}, address))
    return false;
  thread->behind_allocation = thread->cursor;
  return true;
}

inline bool put_deallocation(Thread* thread, std::uint32_t kind, std::uintptr_t address) {
  const std::uint64_t item = session::deallocation_item(kind, address);
  const std::uint64_t* const place = thread->cursor;
  if (__builtin_expect(!put_quickly(thread, item, address), false)) return put_with_new_stamp(thread, {item}, address);
  if (place == thread->behind_allocation && place != thread->repeated.behind &&
      session::address_of_allocation(place[-1]) == address)
    thread->repeated = {place + 1, {place[-1], item}, 0};
  return true;
}

// Items of a signal handler that has interrupted another item wait until that one is written, in full.
template <std::uint32_t N>
MEMRAY_COLD void add_in_between(Thread* thread, std::uint64_t (&&words)[N], std::uintptr_t address) {
  words[0] |= shifted(stamp_in_between(thread, address));
  add_pending(thread, words, N);
}

// Writes one item, with the stack of the moment if `Stacked`; `address` as for stamp_of.
template <bool Stacked, std::uint32_t N>
void record(std::uint64_t (&&words)[N], std::uintptr_t address, void* frame) {
  bool interrupted;
  Thread* thread = enter(interrupted);
  if (!thread) return;
  if (interrupted) return add_in_between(thread, std::move(words), address);
  words[0] |= shifted(stamp_of(thread, address));
  if ((Stacked && !write_stacks(thread, frame)) || !put(thread, words)) lose_event(thread);
  leave(thread);
}

// What has ended in a call that has returned now is stamped with the time before, unless that is in the future: then it
// is from an earlier session and means nothing in this one.
inline std::uint64_t stamp_of_ended(const Thread* thread, bool interrupted, std::uint64_t before) {
  const std::uint64_t latest = interrupted ? now() : thread->stamp;
  return before < latest ? before : latest;
}

std::uint64_t stamp(std::uintptr_t address) {
  bool interrupted;
  Thread* thread = enter(interrupted);
  if (__builtin_expect(!thread, false)) return now();
  if (interrupted) return stamp_in_between(thread, address);
  const std::uint64_t result = stamp_of(thread, address);
  leave(thread);
  return result;
}

// One that is large, or in an unusual place.
__attribute__((noinline)) void allocated_long(memray_allocator kind, std::uintptr_t address, std::size_t size,
                                              void* frame) {
  bool interrupted;
  Thread* thread = enter(interrupted);
  if (!thread) return;
  if (interrupted)
    return add_in_between(thread, {Item::kStamp, session::long_allocation_item(kind, size), address}, address);
  if (!write_stacks(thread, frame) ||
      !put_with_new_stamp(thread, {session::long_allocation_item(kind, size), address}, address))
    lose_event(thread);
  leave(thread);
}

void allocated(memray_allocator kind, std::uintptr_t address, std::size_t size, void* frame) {
  if (__builtin_expect(!session::has_short_form(address, size), false))
    return allocated_long(kind, address, size, frame);
  const std::uint64_t item = session::allocation_item(kind, address, size);
  bool interrupted;
  Thread* thread = enter(interrupted);
  if (__builtin_expect(!thread, false)) return;
  if (__builtin_expect(interrupted, false)) return add_in_between(thread, {Item::kStamp, item}, address);
  if (__builtin_expect(!write_stacks(thread, frame) || !put_allocation(thread, item), false)) lose_event(thread);
  leave(thread);
}

void deallocating(memray_allocator kind, std::uintptr_t address, void*) {
  bool interrupted;
  Thread* thread = enter(interrupted);
  if (__builtin_expect(!thread, false)) return;
  if (__builtin_expect(interrupted, false))
    return add_in_between(thread, {Item::kStamp, session::deallocation_item(kind, address)}, address);
  if (__builtin_expect(!put_deallocation(thread, kind, address), false)) lose_event(thread);
  leave(thread);
}

void deallocated(memray_allocator kind, std::uint64_t before, std::uintptr_t address) {
  bool interrupted;
  Thread* thread = enter(interrupted);
  if (__builtin_expect(!thread, false)) return;
  const std::uint64_t stamp = stamp_of_ended(thread, interrupted, before);
  const std::uint64_t item = session::deallocation_item(kind, address);
  if (__builtin_expect(interrupted, false)) {
    const std::uint64_t words[] = {session::stamp_item(stamp), item};
    return add_pending(thread, words, 2);
  }
  const bool alike = stamp == thread->written_stamp;
  if (!(alike && put_quickly(thread, item, address)) && !put_with_stamp(thread, {item}, stamp)) lose_event(thread);
  leave(thread);
}

void reallocated(memray_allocator kind, std::uint64_t before, std::uintptr_t old_address, std::uintptr_t address,
                 std::size_t size, void* frame) {
  const auto undo = kind == MEMRAY_PYMALLOC_REALLOC ? MEMRAY_PYMALLOC_FREE : MEMRAY_FREE;
  if (old_address) deallocated(undo, before, old_address);
  if (address) allocated(kind, address, size, frame);
}

void mapped(std::uintptr_t address, std::size_t length, int flags, int fd, void* frame) {
  const std::uint64_t how = static_cast<std::uint32_t>(flags) | std::uint64_t{static_cast<std::uint32_t>(fd)} << 32;
  record<true>({Item::kMapping, address, length, how}, 0, frame);
}

void unmapped(std::uint64_t before, std::uintptr_t address, std::size_t length, void*) {
  bool interrupted;
  Thread* thread = enter(interrupted);
  if (__builtin_expect(!thread, false)) return;
  const std::uint64_t stamp = stamp_of_ended(thread, interrupted, before);
  const std::uint64_t words[] = {Item::kUnmapping | shifted(stamp), address, length};
  if (__builtin_expect(interrupted, false)) return add_pending(thread, words, 3);
  if (__builtin_expect(!put(thread, words), false)) lose_event(thread);
  leave(thread);
}

void remapped(std::uint64_t before, std::uintptr_t old_address, std::size_t old_length, std::uintptr_t address,
              std::size_t length, int keep_old, void* frame) {
  if (!keep_old) unmapped(before, old_address, old_length, frame);
  record<true>({Item::kMapping, address, length, session::kRemapped}, 0, frame);
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
  leave(thread);
  end_stamps();  // the list holds for what is stamped later
  if (unloaded) process.epoch.fetch_add(1, std::memory_order_acq_rel);
}

int tracks_objects() { return process.session && process.control->track_objects; }

void object_created(std::uintptr_t address, std::uint32_t type, void* frame) {
  if (*process.recording) record<true>({Item::kObjectCreated, address, type}, address, frame);
}

void object_destroyed(std::uintptr_t address) {
  if (*process.recording) record<false>({Item::kObjectDestroyed, address}, address, nullptr);
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

void write_mark(std::uint8_t item) { record<false>({item}, 0, nullptr); }
void write_mark_with_stack(std::uint8_t item, void* frame) { record<true>({item}, 0, frame); }

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
