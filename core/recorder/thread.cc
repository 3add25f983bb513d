// Threads come and go without telling the recorder: no key destructor is registered, because destructors of others may
// still allocate after ours. A thread is made known by its first event. That it is gone the collector finds out (it
// looks for idle threads in /proc); it takes back the chunk and announces the thread's number in Image::dead, and the
// next new thread takes over the dead one's memory.
//
// Sessions come and go too, while threads are anywhere. A thread is in the session while it is marked busy, and only
// if the epoch, looked at after that, is the one that it knows. Whoever leaves the session takes it away, raises the
// epoch, and then needs to know that every thread either has seen that or is seen to be busy. That takes a barrier on
// both sides; membarrier makes the kernel issue one for all threads, so that recording itself pays for none.
//
// A Thread is a page that its thread may look at whenever it allocates, so it is never unmapped; one whose thread has
// ended is used for a thread of a later session.
#include "thread.h"

#include "stamps.h"

#include <linux/membarrier.h>
#include <pthread.h>

#include <new>

namespace memray::recorder {

using session::kNoChunk;

__thread Thread* this_thread;

namespace {

constexpr std::size_t kThreadBytes = (sizeof(Thread) + 4095) / 4096 * 4096;
constexpr std::uint32_t kMaxThreadNumber = 1u << 20;
constexpr std::size_t kTableBytes = kMaxThreadNumber * sizeof(std::atomic<Thread*>);

// number -> Thread, mapped on first use and filled sparsely.
std::atomic<std::atomic<Thread*>*> table{nullptr};

std::atomic<Thread*> all{nullptr};
std::atomic<Thread*> spare{nullptr};  // filled between sessions, drained while there is one

__thread std::uint32_t ignore_depth;
__thread Thread* while_ignored;

std::atomic<Thread*>* thread_table() {
  auto* found = table.load(std::memory_order_acquire);
  if (found) return found;
  auto* made = static_cast<std::atomic<Thread*>*>(take_memory(kTableBytes));
  if (!made) return nullptr;
  if (table.compare_exchange_strong(found, made, std::memory_order_acq_rel)) return made;
  return_memory(made, kTableBytes);
  return found;
}

Thread* take_over_dead(std::atomic<Thread*>* threads) {
  session::Image& image = *process.image;
  std::uint32_t taken = image.dead_taken.load(std::memory_order_relaxed);
  while (taken != image.dead_announced.load(std::memory_order_acquire)) {
    const std::uint32_t number = image.dead[taken % session::kDeadRing].load(std::memory_order_relaxed);
    if (!image.dead_taken.compare_exchange_weak(taken, taken + 1, std::memory_order_acq_rel)) continue;
    ++taken;
    if (number < kMaxThreadNumber) {
      if (Thread* dead = threads[number].exchange(nullptr, std::memory_order_acq_rel)) return dead;
    }
  }
  Thread* thread = spare.load(std::memory_order_acquire);
  while (thread && !spare.compare_exchange_weak(thread, thread->next_spare, std::memory_order_acq_rel)) {
  }
  return thread;
}

Thread* make() {
  void* const memory = take_memory(kThreadBytes);
  if (!memory) return nullptr;
  auto* thread = new (memory) Thread;
  thread->next = all.load(std::memory_order_relaxed);
  while (!all.compare_exchange_weak(thread->next, thread, std::memory_order_acq_rel)) {
  }
  return thread;
}

// Waits until the collector has given chunks back. False when there is no collector any more.
bool wait_for_space() {
  session::Control& control = *process.control;
  const std::uint32_t seen = control.space.load(std::memory_order_acquire);
  control.waiters.fetch_add(1, std::memory_order_acq_rel);
  control.waits.fetch_add(1, std::memory_order_relaxed);
  sys::futex_wait(&control.space, seen, 20);
  control.waiters.fetch_sub(1, std::memory_order_acq_rel);
  return session::collector_lives(control);
}

void note_second_thread() {
  if (process.threaded.load(std::memory_order_relaxed)) return;
  if (!process.owners.load(std::memory_order_relaxed)) {
    auto* made = static_cast<Owners::Place*>(take_memory(Owners::kBytes));
    Owners::Place* none = nullptr;
    if (made && !process.owners.compare_exchange_strong(none, made, std::memory_order_acq_rel))
      return_memory(made, Owners::kBytes);
  }
  process.threaded.store(true, std::memory_order_release);
}

// Makes the calling thread one of the present session, with `thread` for memory.
void enter_session(Thread* thread, std::atomic<Thread*>* threads, std::uint32_t epoch) {
  thread->chunk = nullptr;
  thread->cursor = thread->end = nullptr;
  thread->sequence = 0;
  thread->quick_end = nullptr;
  thread->pending = 0;
  thread->os_tid = sys::gettid();
  thread->pthread = pthread_self();
  thread->number = process.image->threads.fetch_add(1, std::memory_order_relaxed) + 1;
  thread->written_stamp = kNoStamp;
  thread->behind_allocation = nullptr;
  thread->repeated = {};
  if (thread->number > 1) note_second_thread();
  thread->generation = process.generation;
  for (int kind = 0; kind < MEMRAY_STACK_KINDS; ++kind) {
    const memray_unwinder* unwinder = process.unwinders[kind];
    if (unwinder && !thread->stacks[kind]) thread->stacks[kind] = unwinder->thread_begin();
  }
  renew_thread(thread);
  thread->stamp = now();
  thread->epoch = epoch;
  if (thread->number < kMaxThreadNumber) threads[thread->number].store(thread, std::memory_order_release);
  tell_system_name(thread->number, session::NameSource::inherited);
}

bool thread_exists(std::uint32_t tid) { return sys::call(SYS_tgkill, process.pid, tid, 0) != -3 /* ESRCH */; }

bool barrier_ready = false;

// Every thread executes a full barrier before this returns.
void barrier_for_all() {
  if (barrier_ready && sys::call(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0) return;
  sys::sleep(20);  // stores become visible within a microsecond or so
}

}  // namespace

// Makes this_thread. nullptr where that is impossible. `epoch` is what it was when there was a session.
static Thread* begin_thread(std::uint32_t epoch) {
  if (is_mark(this_thread) && this_thread) return nullptr;
  this_thread = kBeginning;
  Thread* thread = nullptr;
  if (auto* threads = thread_table()) {
    thread = take_over_dead(threads);
    if (!thread) thread = make();
    if (thread) {
      thread->busy = 0;
      enter_session(thread, threads, epoch);
    }
  }
  this_thread = thread;
  return thread;
}

void ignore_thread(bool on) {
  if (on) {
    if (ignore_depth++ != 0) return;
    while_ignored = this_thread;
    this_thread = kIgnored;
  } else if (ignore_depth != 0 && --ignore_depth == 0) {
    this_thread = while_ignored;
  }
}

void reset_threads_in_child() {
  if (auto* threads = table.exchange(nullptr, std::memory_order_acq_rel)) return_memory(threads, kTableBytes);
  Thread*& own = ignore_depth != 0 ? while_ignored : this_thread;
  Thread* const thread = own;
  own = nullptr;
  all.store(nullptr);
  spare.store(nullptr);
  process.inside.store(0);
  process.threaded.store(false, std::memory_order_relaxed);
  if (is_mark(thread)) return;
  thread->next = nullptr;
  thread->busy = 0;
  thread->os_tid = sys::gettid();
  all.store(thread);
  own = thread;
  if (!process.session) return;
  process.image->forking_thread = thread->number;
  thread->busy = 1;
  if (auto* threads = thread_table()) enter_session(thread, threads, process.epoch.load());
  thread->busy = 0;
}

const Thread* find_thread(std::uint32_t number) {
  const auto* threads = table.load(std::memory_order_acquire);
  return threads && number < kMaxThreadNumber ? threads[number].load(std::memory_order_acquire) : nullptr;
}

Thread* first_entry(Thread* thread) {
  if (thread == kIgnored) return nullptr;
  process.inside.fetch_add(1, std::memory_order_seq_cst);
  const std::uint32_t epoch = process.epoch.load(std::memory_order_acquire);
  if (process.session) {
    thread = begin_thread(epoch);
    if (!thread) process.control->dropped.fetch_add(1, std::memory_order_relaxed);
  }
  process.inside.fetch_sub(1, std::memory_order_release);
  return thread;
}

// For a thread that is marked busy and whose epoch is not the present one. False: there is no session.
static bool catch_up(Thread* thread) {
  const std::uint32_t epoch = process.epoch.load(std::memory_order_acquire);
  if (!process.session) return false;
  if (thread->generation == process.generation) {
    renew_thread(thread);
    thread->quick_end = nullptr;
    thread->epoch = epoch;
    return true;
  }
  auto* threads = thread_table();
  if (threads) enter_session(thread, threads, epoch);
  return threads != nullptr;
}

bool enter_slow(Thread* thread) {
  if (catch_up(thread)) return true;
  thread->busy = 0;
  return false;
}

void renew_thread(Thread* thread) {
  for (int kind = 0; kind < MEMRAY_STACK_KINDS; ++kind) {
    if (process.unwinders[kind] && thread->stacks[kind]) process.unwinders[kind]->thread_reset(thread->stacks[kind]);
    thread->depth[kind] = kUnknownDepth;
  }
}

void prepare_barrier() {
  if (!barrier_ready) barrier_ready = sys::call(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0;
}

bool wait_for_threads() {
  constexpr int kPatience = 2000;  // milliseconds
  barrier_for_all();
  int waited = 0;
  for (Thread* thread = all.load(std::memory_order_acquire); thread; thread = thread->next) {
    while (thread->busy && thread != this_thread && thread_exists(thread->os_tid)) {
      if (++waited > kPatience) return false;
      sys::sleep(1);
    }
  }
  for (; process.inside.load(std::memory_order_acquire) != 0; sys::sleep(1)) {
    if (++waited > kPatience) return false;
  }
  return true;
}

void release_threads() {
  if (auto* threads = table.exchange(nullptr, std::memory_order_acq_rel)) return_memory(threads, kTableBytes);
  process.threaded.store(false, std::memory_order_relaxed);
  if (auto* owners = process.owners.exchange(nullptr, std::memory_order_acq_rel)) return_memory(owners, Owners::kBytes);
  Thread* found = nullptr;
  for (Thread* thread = all.load(std::memory_order_acquire); thread; thread = thread->next) {
    for (int kind = 0; kind < MEMRAY_STACK_KINDS; ++kind) {
      if (process.unwinders[kind] && thread->stacks[kind]) process.unwinders[kind]->thread_end(thread->stacks[kind]);
      thread->stacks[kind] = nullptr;
    }
    if (thread_exists(thread->os_tid)) continue;
    thread->next_spare = found;
    found = thread;
  }
  spare.store(found, std::memory_order_release);
}

bool next_chunk(Thread* thread, std::uint32_t number) {
  if (thread->chunk) {
    commit(thread);  // a stack change whose item comes in the next chunk
    thread->chunk->state.store(session::ChunkState::full, std::memory_order_release);
  }
  thread->chunk = nullptr;
  thread->cursor = thread->end = nullptr;
  thread->quick_end = thread->behind_allocation = nullptr;
  thread->repeated = {};
  std::uint32_t chunk;
  while ((chunk = session::pop_chunk(process.control)) == kNoChunk) {
    if (process.control->drop_on_overrun) return false;
    if (!wait_for_space()) {
      abandon_recording();
      return false;
    }
  }
  session::ChunkHeader* header = session::chunk_at(process.control, chunk);
  header->image = process.image_number;
  header->thread = number;
  header->os_tid = thread->os_tid;
  header->sequence = thread->sequence++;
  header->committed.store(0, std::memory_order_relaxed);
  header->state.store(session::ChunkState::open, std::memory_order_release);
  thread->chunk = header;
  thread->cursor = session::chunk_words(header);
  thread->end = thread->cursor + session::kChunkCapacity / sizeof(std::uint64_t) - 1;  // see end_repeats
  return true;
}

void add_pending(Thread* thread, const std::uint64_t* words, std::uint32_t count) {
  if (thread->busy == MEMRAY_QUIET) return;
  const std::uint32_t at = thread->pending;
  if (at + count + 1 > kPendingWords) {
    process.control->dropped.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  thread->pending = at + count + 1;  // first, so that a handler that interrupts this one writes behind
  thread->pending_words[at] = count;
  for (std::uint32_t i = 0; i < count; ++i) thread->pending_words[at + 1 + i] = words[i];
}

// Their stacks are not known: they are recorded with empty ones.
void flush_pending(Thread* thread) {
  std::uint32_t at = 0;
  for (;;) {
    std::uint32_t end = at;
    if (__atomic_compare_exchange_n(&thread->pending, &end, 0u, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) break;
    const auto count = static_cast<std::uint32_t>(thread->pending_words[at]);
    const std::uint64_t* const words = thread->pending_words + at + 1;
    at += count + 1;
    if (!reserve(thread, count + MEMRAY_STACK_KINDS)) {
      process.control->dropped.fetch_add(1, std::memory_order_relaxed);
      continue;
    }
    for (std::uint32_t kind = 0; kind < MEMRAY_STACK_KINDS; ++kind) *thread->cursor++ = session::stack_item(kind, 0, 0);
    for (std::uint32_t i = 0; i < count; ++i) *thread->cursor++ = words[i];
    commit(thread);
  }
  thread->written_stamp = kNoStamp;
  thread->quick_end = nullptr;
  renew_thread(thread);
}

}  // namespace memray::recorder
