#include "stamps.h"

namespace memray::recorder {

namespace {

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

Look look_at_clock(Thread* thread, std::uintptr_t address) {
  thread->tick = process.control->tick.load(std::memory_order_relaxed);
  Look found{0, true};
  Owners::Place* const places = process.owners.load(std::memory_order_acquire);
  if (!process.threaded.load(std::memory_order_relaxed)) {
    found.stamp = now();
  } else if (places && address != 0) {
    found = look(places, thread->number, address);
  } else {
    found = {now(), false};
  }
  thread->stamp = found.stamp;
  return found;
}

std::uint64_t stamp_in_between(Thread* thread, std::uintptr_t address) {
  thread->tick = process.control->tick.load(std::memory_order_relaxed) - 1;
  Owners::Place* const places = process.owners.load(std::memory_order_acquire);
  return places && address != 0 ? look(places, thread->number, address).stamp : now();
}

}  // namespace memray::recorder
