#include "stamps.h"

namespace memray::recorder {

namespace {

constexpr std::uint32_t kItemsPerLook = 64;

struct Look {
  std::uint64_t stamp;
  bool was_owner;
};

// Makes the place of `address` the thread's. A signal handler may do the same in the middle of it.
Look look(Owners::Place* places, std::uint32_t thread, std::uintptr_t address) {
  Owners::Place& place = Owners::place_of(places, address);
  std::uint64_t entry = place.load(std::memory_order_acquire);
  for (;;) {
    const std::uint64_t stamp = now();
    const bool was_owner = Owners::thread_of(entry) == thread;
    if (place.compare_exchange_weak(entry, Owners::entry(stamp, thread), std::memory_order_acq_rel,
                                    std::memory_order_acquire))
      return {stamp, was_owner};
  }
}

}  // namespace

std::uint64_t look_at_clock(Thread* thread, std::uintptr_t address) {
  thread->tick = process.control->tick.load(std::memory_order_relaxed);
  thread->stamps_left = kItemsPerLook - 1;
  if (!process.threaded.load(std::memory_order_relaxed)) return thread->stamp = now();
  Owners::Place* const places = process.owners.load(std::memory_order_acquire);
  const Look found = places && address != 0 ? look(places, thread->number, address) : Look{now(), false};
  if (!found.was_owner) thread->stamps_left = 0;
  return thread->stamp = found.stamp;
}

std::uint64_t stamp_in_between(Thread* thread, std::uintptr_t address) {
  thread->tick = process.control->tick.load(std::memory_order_relaxed) - 1;
  Owners::Place* const places = process.owners.load(std::memory_order_acquire);
  return places && address != 0 ? look(places, thread->number, address).stamp : now();
}

}  // namespace memray::recorder
