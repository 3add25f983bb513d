// The recorder's state of one thread, and the chunk that it writes to.
#pragma once

#include "process.h"
#include "syscalls.h"

namespace memray::recorder {

inline constexpr std::uint32_t kPendingWords = 4 * 32;
inline constexpr std::uint32_t kUnknownDepth = 0xffff'ffff;  // whatever the stack is, it is to be written

inline constexpr std::uint64_t kNoStamp = ~std::uint64_t{0};

// The beginning and the end of a small block, as long as nothing else has been written.
struct Repeated {
  const std::uint64_t* behind = nullptr;  // both items
  std::uint64_t items[2] = {};
  std::uint32_t count = 0;  // of items, since
};

struct Thread {
  std::uint64_t* cursor = nullptr;  // next free word of the chunk
  // Up to here there is room, and items may be stamped like the latest: see stamps.h. nullptr: nowhere.
  const std::uint64_t* quick_end = nullptr;
  std::uint64_t* end = nullptr;
  session::ChunkHeader* chunk = nullptr;
  // Inside the recorder: whoever interrupts must not touch the chunk. MEMRAY_QUIET: and is not heard.
  volatile std::uint32_t busy = 0;
  std::uint32_t epoch = 0;
  std::uint32_t generation = 0;  // of the session that chunk and number belong to
  void* stacks[MEMRAY_STACK_KINDS] = {};
  std::uint32_t depth[MEMRAY_STACK_KINDS] = {kUnknownDepth, kUnknownDepth};  // of the stacks as last written
  std::uint32_t number = 0;
  std::uint32_t os_tid = 0;
  std::uintptr_t pthread = 0;  // as pthread_self() says
  std::uint32_t sequence = 0;
  volatile std::uint32_t tick = 0;
  std::uint64_t stamp = 0;                 // as the clock was found last
  std::uint64_t written_stamp = kNoStamp;  // what blocks to come are stamped with; that, where items are quick
  const std::uint64_t* behind_allocation = nullptr;  // behind the latest that has the short form
  Repeated repeated;
  // Items of signal handlers that interrupted the recorder, appended when it has finished.
  volatile std::uint32_t pending = 0;
  std::uint64_t pending_words[kPendingWords] = {};
  Thread* next = nullptr;  // of all that were ever made
  Thread* next_spare = nullptr;
};

// In place of a Thread: a thread in begin_thread (events of signal handlers that interrupt it are dropped), and one
// whose events are not wanted.
inline Thread* const kBeginning = reinterpret_cast<Thread*>(1);
inline Thread* const kIgnored = reinterpret_cast<Thread*>(2);
inline bool is_mark(const Thread* thread) { return reinterpret_cast<std::uintptr_t>(thread) <= 2; }

extern __thread Thread* this_thread;

// Events of the calling thread are dropped from now on; or no more. Calls may be nested.
void ignore_thread(bool on);

// Replaces the thread's full (or missing) chunk. False if there is none to be had: because events are to be dropped
// rather than waited with, or because the collector is gone, and recording over.
bool next_chunk(Thread* thread, std::uint32_t number);

// Forgets the stacks that were written.
void renew_thread(Thread* thread);

// The thread with this number; nullptr if there is none, or none any more.
const Thread* find_thread(std::uint32_t number);

// Whether the calling thread is in the middle of an event.
inline bool in_recorder() { return !is_mark(this_thread) && this_thread->busy != 0; }

// In a forked child: the calling thread is the only one, and has recorded nothing yet.
void reset_threads_in_child();

void flush_pending(Thread* thread);
void add_pending(Thread* thread, const std::uint64_t* words, std::uint32_t count);

// Writes down what was repeated. There is always room for it.
inline void end_repeats(Thread* thread) {
  if (__builtin_expect(thread->repeated.count == 0, true)) return;
  *thread->cursor++ = session::kRepeats | std::uint64_t{thread->repeated.count} << 8;
  thread->repeated.count = 0;
}

// Room for `words` more words in the chunk, for something that is no repetition.
inline bool reserve(Thread* thread, std::uint32_t words) {
  end_repeats(thread);
  if (__builtin_expect(thread->end - thread->cursor >= static_cast<std::ptrdiff_t>(words), true)) return true;
  return next_chunk(thread, thread->number);
}

// For `enter`: a thread without a Thread, whose first event this is or whose events are not wanted; and one whose epoch
// is another. nullptr and false: there is nothing to record; where an event is lost by that, it is counted.
__attribute__((cold)) Thread* first_entry(Thread* thread);
__attribute__((cold)) bool enter_slow(Thread* thread);

// The calling thread's state, marked busy: by this call, or, if `interrupted`, by what a signal handler has
// interrupted. nullptr: there is nothing to record.
inline Thread* enter(bool& interrupted) {
  Thread* thread = this_thread;
  interrupted = false;
  if (__builtin_expect(is_mark(thread), false)) {
    thread = first_entry(thread);
    if (!thread) return nullptr;
  }
  interrupted = thread->busy != 0;
  if (__builtin_expect(interrupted, false)) return thread;
  thread->busy = 1;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  if (__builtin_expect(thread->epoch != process.epoch.load(std::memory_order_relaxed), false)) {
    if (!enter_slow(thread)) return nullptr;
  }
  return thread;
}

// The same for what is of no use when it comes late.
inline Thread* enter() {
  bool interrupted;
  Thread* thread = enter(interrupted);
  return interrupted ? nullptr : thread;
}

// The recorder has finished, and `thread` is busy no more.
inline void leave(Thread* thread) {
  if (__builtin_expect(thread->pending != 0, false)) flush_pending(thread);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  thread->busy = 0;
}

inline void commit(Thread* thread, std::uint32_t repeats) {
  const auto bytes = reinterpret_cast<char*>(thread->cursor) - reinterpret_cast<char*>(thread->chunk + 1);
  thread->chunk->committed.store(session::committed_word(static_cast<std::uint32_t>(bytes), repeats),
                                 std::memory_order_release);
}
inline void commit(Thread* thread) { commit(thread, thread->repeated.count); }

// Asks for the lines from the cursor to `end`. The collector's processor has what it has read last, and a store would
// have to wait until it is given back.
inline void fetch_ahead(const Thread* thread, const std::uint64_t* end) {
  constexpr std::ptrdiff_t kLine = 8;
  for (const std::uint64_t* line = thread->cursor + kLine; line < end; line += kLine) {
#if defined(__x86_64__)
    asm volatile("prefetchw %0" ::"m"(*line));  // GCC's own, without options, does not ask for writing
#else
    __builtin_prefetch(line, 1);
#endif
  }
}

}  // namespace memray::recorder
