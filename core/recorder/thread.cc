// Threads come and go without telling the recorder: no key destructor is registered, because destructors of others may
// still allocate after ours. A thread is made known by its first event. That it is gone the collector finds out (it
// looks for idle threads in /proc); it takes back the chunk and announces the thread's number in Image::dead, and the
// next new thread takes over the dead one's memory.
#include "thread.h"

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

// A thread in begin_thread: events of signal handlers that interrupt it find no thread and are dropped.
Thread* const kBeginning = reinterpret_cast<Thread*>(1);

std::atomic<Thread*>* thread_table() {
  auto* found = table.load(std::memory_order_acquire);
  if (found) return found;
  auto* made = static_cast<std::atomic<Thread*>*>(sys::map(kTableBytes));
  if (!made) return nullptr;
  if (table.compare_exchange_strong(found, made, std::memory_order_acq_rel)) return made;
  sys::unmap(made, kTableBytes);
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
  return nullptr;
}

// Waits until the collector has given chunks back. False when there is no collector any more.
bool wait_for_space() {
  session::Control& control = *process.control;
  const std::uint32_t seen = control.space.load(std::memory_order_acquire);
  control.waiters.fetch_add(1, std::memory_order_acq_rel);
  control.waits.fetch_add(1, std::memory_order_relaxed);
  sys::futex_wait(&control.space, seen, 20);
  control.waiters.fetch_sub(1, std::memory_order_acq_rel);
  return sys::process_exists(control.collector_pid);
}

// Makes a thread of `memory`, keeping what `before` had for its stacks.
Thread* set_up(void* memory, const Thread* before, std::atomic<Thread*>* threads) {
  void* const stacks[] = {before ? before->stacks[0] : nullptr, before ? before->stacks[1] : nullptr};
  auto* thread = new (memory) Thread;
  thread->os_tid = sys::gettid();
  thread->pthread = pthread_self();
  thread->number = process.image->threads.fetch_add(1, std::memory_order_relaxed) + 1;
  if (thread->number > 1) process.threaded.store(true, std::memory_order_relaxed);
  thread->epoch = process.epoch.load(std::memory_order_relaxed);
  for (int kind = 0; kind < MEMRAY_STACK_KINDS; ++kind) {
    const memray_unwinder* unwinder = process.unwinders[kind];
    thread->stacks[kind] = stacks[kind];
    if (!unwinder) continue;
    if (thread->stacks[kind]) {
      unwinder->thread_reset(thread->stacks[kind]);
    } else {
      thread->stacks[kind] = unwinder->thread_begin();
    }
  }
  if (thread->number < kMaxThreadNumber) threads[thread->number].store(thread, std::memory_order_release);
  return thread;
}

}  // namespace

Thread* begin_thread() {
  if (this_thread == kBeginning) return nullptr;
  this_thread = kBeginning;
  Thread* thread = nullptr;
  if (auto* threads = thread_table()) {
    thread = take_over_dead(threads);
    void* const memory = thread ? thread : sys::map(kThreadBytes);
    if (memory) thread = set_up(memory, thread, threads);
    if (thread) tell_system_name(thread->number);
  }
  this_thread = thread;
  return thread;
}

void reset_threads_in_child() {
  if (auto* threads = table.exchange(nullptr, std::memory_order_acq_rel)) sys::unmap(threads, kTableBytes);
  Thread* thread = this_thread;
  this_thread = nullptr;
  if (!thread || thread == kBeginning) return;
  process.image->forking_thread = thread->number;
  this_thread = kBeginning;
  auto* threads = thread_table();
  if (threads) tell_system_name(set_up(thread, thread, threads)->number);
  this_thread = threads ? thread : nullptr;
}

const Thread* find_thread(std::uint32_t number) {
  const auto* threads = table.load(std::memory_order_acquire);
  return threads && number < kMaxThreadNumber ? threads[number].load(std::memory_order_acquire) : nullptr;
}

void renew_thread(Thread* thread) {
  thread->epoch = process.epoch.load(std::memory_order_relaxed);
  for (int kind = 0; kind < MEMRAY_STACK_KINDS; ++kind) {
    if (process.unwinders[kind] && thread->stacks[kind]) process.unwinders[kind]->thread_reset(thread->stacks[kind]);
    thread->depth[kind] = kUnknownDepth;
  }
}

bool next_chunk(Thread* thread, std::uint32_t number) {
  if (thread->chunk) {
    commit(thread);  // a stack change whose item comes in the next chunk
    thread->chunk->state.store(session::ChunkState::full, std::memory_order_release);
  }
  thread->chunk = nullptr;
  thread->cursor = thread->end = nullptr;
  std::uint32_t chunk;
  while ((chunk = session::pop_chunk(process.session)) == kNoChunk) {
    if (process.control->drop_on_overrun) return false;
    if (!wait_for_space()) {
      abandon_recording();
      return false;
    }
  }
  session::ChunkHeader* header = session::chunk_at(process.session, chunk);
  header->image = process.image_number;
  header->thread = number;
  header->os_tid = thread->os_tid;
  header->sequence = thread->sequence++;
  header->committed.store(0, std::memory_order_relaxed);
  header->state.store(session::ChunkState::open, std::memory_order_release);
  thread->chunk = header;
  thread->cursor = session::chunk_words(header);
  thread->end = thread->cursor + session::kChunkCapacity / sizeof(std::uint64_t);
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
    if (!reserve(thread, count + MEMRAY_STACK_KINDS)) return;
    for (std::uint32_t kind = 0; kind < MEMRAY_STACK_KINDS; ++kind) *thread->cursor++ = session::stack_item(kind, 0, 0);
    for (std::uint32_t i = 0; i < count; ++i) *thread->cursor++ = thread->pending_words[at + 1 + i];
    at += count + 1;
    commit(thread);
  }
  renew_thread(thread);
}

}  // namespace memray::recorder
