// What a recorder saw, before frees are paired with their allocations.
#pragma once

#include <memray/types.h>

#include <cstdint>

namespace memray {

struct RawAllocation {
  ProcessId process{};
  ThreadId thread{};
  Allocator allocator = Allocator::none;
  StackId stack = kNoStack;
  StackId native_stack = kNoStack;
  std::uint64_t address = 0;
  std::uint64_t size = 0;
  // When it happened, in the recorder's clock. realloc, munmap and mremap report after the fact that memory was freed
  // before: their deallocations may come late, after another thread's allocation at the same address. A deallocation
  // older than the live allocation at its address therefore means an earlier one, which that allocation has ended
  // already.
  std::uint64_t stamp = 0;
  Time time{};
};

struct RawDeallocation {
  ProcessId process{};
  ThreadId thread{};
  Allocator allocator = Allocator::free;
  std::uint64_t address = 0;
  std::uint64_t length = 0;  // munmap
  std::uint64_t stamp = 0;
  Time time{};
};

}  // namespace memray
