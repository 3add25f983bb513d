// One thing that happened to memory, after collection: every deallocation knows the allocation that it ends.
#pragma once

#include <memray/types.h>

namespace memray {

struct Event {
  enum class Kind : std::uint8_t {
    // `site`, `size`, `address`; `number` is this allocation's number (0, 1, 2, ... over the capture).
    allocation = 0,
    // Allocation `number`, made at `site`, is gone; `size` is what it still had, `address` that of the allocation.
    deallocation = 1,
    // Part of mapping `number`: `size` bytes at `address` are gone; the mapping is now in `pieces` pieces (>= 1).
    partial_deallocation = 2,
    // `address` was freed, but was not known: allocated before recording. For munmap `size` is the length.
    unknown_deallocation = 3,
    // The image of process `index` was replaced by exec: all it had, `size` bytes, is gone.
    process_exec = 4,
    // Process `index` ended: what it had, `size` bytes, is gone now, and counts as leaked.
    process_exit = 5,
  };

  Kind kind = Kind::allocation;
  Allocator allocator = Allocator::none;  // the call: malloc, ...; free, munmap, pymalloc_free
  std::uint32_t pieces = 1;
  ThreadId thread{};  // the one that called (a free may come from another thread than the allocation)
  SiteId site{};      // of the allocation; also for its deallocation
  std::uint32_t index = 0;
  std::uint64_t number = 0;
  std::uint64_t address = 0;
  std::uint64_t size = 0;  // bytes
  Time time{};             // of the latest time mark: resolution 100 microseconds
};

}  // namespace memray
