// From what a recorder saw to matched events: pairs every deallocation with its allocation, keeps ranges of mappings,
// and knows what is live. One thread. Input comes in order of time stamps, with one exception, explained at `stamp`
// below.
#pragma once

#include <memray/capture.h>
#include <memray/definitions.h>
#include <memray/event.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

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

class LiveTable;

class Matcher {
 public:
  // `definitions` outlives the matcher, which adds sites to it.
  explicit Matcher(Definitions& definitions);
  ~Matcher();

  // Heap blocks. An allocation at a live address ends the old one first (its free was not seen).
  void allocate(const RawAllocation& allocation);
  void deallocate(const RawDeallocation& deallocation);

  // The heap blocks of a process, to fetch what will be needed before it is. Valid until the process has ended.
  const LiveTable& heap_of(ProcessId process);

  // Mappings: allocator mmap. A new mapping replaces what it overlaps (MAP_FIXED); an unmapping may cover parts of
  // several mappings; a hole in the middle splits one in two, which both belong to the original allocation.
  void map(const RawAllocation& mapping);
  void unmap(const RawDeallocation& unmapping);

  // All that lives in `process` ends.
  void process_ended(ProcessId process, bool exec, Time time);

  // Events made since the last call to `clear`, in order.
  std::span<const Event> events() const;
  void clear();

  std::uint64_t live_bytes() const;
  std::uint64_t live_bytes(ProcessId process) const;
  std::uint64_t live_count() const;
  std::uint64_t peak_bytes() const;
  void reset_peak();  // to what is live now
  std::uint64_t unknown_deallocations() const;
  Totals totals() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace memray
