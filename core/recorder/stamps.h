// What time items are stamped with.
//
// The collector puts the items of all threads in the order of their stamps, so the stamps of different threads must
// tell cause from effect: a block is allocated again after its free was stamped, and freed after its allocation was.
// The plain way is to read the processor's counter for every item, and to have every earlier load complete before, as
// one of them may be what told this thread of the other's doing. That takes longer than all the rest of an item, and
// nearly always for nothing: the thread that frees a block is the one that allocated it, and gets it back.
//
// So a thread stamps with what it read a little earlier (at most 128 words ago, and since the collector's last look at
// the chunks) as long as nobody else has to do with the address. Owners know that: a table, of the parts of memory in
// some mixed order, of the thread that had the latest item there and of when it got it. A thread that finds another
// one there reads the counter, and makes the place its own in one atomic step; the place then tells of a stamp that is
// later than all stamps of its earlier owners, and the next owner will find that one before it reads the counter.
//
// Why that holds, though a place stands for many addresses. Let A have an item of an address, and B a later one of the
// same address that knows of it. If B finds somebody else in the place it reads the counter after that, which is after
// A stamped its item. If B finds itself there, it got the place before, perhaps for another address.
//   - A had its item when the place was B's: then A has changed the owner, and B has got it back since, as above.
//   - A had its item before B got the place, and may have stamped it up to the moment in which B did: so B reads the
//     counter once more at its next item, whatever that is, and all its later stamps are later than A's.
// That the counter is not read before the load of a place, nor the place taken before the counter is read, is seen to
// by a fence, and by the new entry being made of the stamp. It also makes entries unique: a thread that was held up
// between looking at a place and taking it notices that others had it meanwhile.
//
// A program with one thread has no owners, and no fences.
#pragma once

#include "thread.h"

#include <time.h>

namespace memray::recorder {

class Owners {
 public:
  using Place = std::atomic<std::uint64_t>;  // thread number in the low bits; the stamp with which it came above them

  static constexpr unsigned kThreadBits = 20;
  static constexpr std::size_t kPlaces = std::size_t{1} << 16;
  static constexpr std::size_t kBytes = kPlaces * sizeof(Place);

  // Threads with higher numbers own nothing.
  static std::uint64_t thread_of(std::uint64_t entry) { return entry & ((1u << kThreadBits) - 1); }
  static std::uint64_t entry(std::uint64_t stamp, std::uint32_t thread) {
    return stamp << kThreadBits | (thread >> kThreadBits == 0 ? thread : 0);
  }

  // Neighbours share a place; the arenas of an allocator, which are alike and far apart, do not.
  static Place& place_of(Place* places, std::uintptr_t address) {
    return places[(address >> 7 ^ (address >> 26) * 0x9e5) % kPlaces];
  }
};

// The clock, after all that this thread has loaded.
inline std::uint64_t now() {
  if (__builtin_expect(process.threaded.load(std::memory_order_relaxed), false)) session::finish_loads();
  if (__builtin_expect(process.use_tsc, true)) return session::read_tsc() - process.start_stamp;
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(t.tv_nsec) -
         process.start_stamp;
}

inline bool is_owner(const Thread* thread, std::uintptr_t address) {
  if (__builtin_expect(!process.threaded.load(std::memory_order_relaxed), true)) return true;
  Owners::Place* const places = process.owners.load(std::memory_order_relaxed);
  if (!places) return false;
  return Owners::thread_of(Owners::place_of(places, address).load(std::memory_order_relaxed)) == thread->number;
}

struct Look {
  std::uint64_t stamp;
  bool was_owner;  // so the next items may be stamped alike
};
Look look_at_clock(Thread* thread, std::uintptr_t address);

// Whether an item of `thread`, which is marked busy, about what is at `address` may be stamped like its latest; 0:
// about nothing there. A signal handler may come between the two questions: it makes sure that the second is answered
// no.
inline bool may_stamp_alike(const Thread* thread, std::uintptr_t address) {
  const bool owner = is_owner(thread, address);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  return owner && __builtin_expect(thread->tick == process.control->tick.load(std::memory_order_relaxed), true);
}

// The stamp of such an item.
inline std::uint64_t stamp_of(Thread* thread, std::uintptr_t address) {
  if (thread->cursor < thread->quick_end && may_stamp_alike(thread, address)) return thread->written_stamp;
  thread->quick_end = nullptr;
  return look_at_clock(thread, address).stamp;
}

// The same for a signal handler that has interrupted an item of `thread`.
std::uint64_t stamp_in_between(Thread* thread, std::uintptr_t address);

// Whatever a thread records from now on that it could not before is stamped later than now.
inline void end_stamps() { process.control->tick.fetch_add(1, std::memory_order_acq_rel); }

}  // namespace memray::recorder
