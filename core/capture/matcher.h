// From what a recorder saw to matched events: pairs every deallocation with its allocation, keeps ranges of mappings,
// and knows what is live. One thread. Input comes in order of time stamps, with one exception, explained at
// `RawAllocation::stamp`.
//
// There are two ways to what happened. Most callers want Events. Who writes captures does without them, as making and
// reading them takes as long as all the rest: `begin_block` and `end_block` do what is to be done for nearly every
// heap block, inline, and tell what their caller cannot know; when they decline, nothing has happened, and it is
// `allocate` or `deallocate` that has to be called.
#pragma once

#include <memray/capture.h>
#include <memray/definitions.h>
#include <memray/event.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "capture/latest_stamps.h"
#include "capture/live_table.h"
#include "capture/mappings.h"
#include "capture/number_map.h"
#include "capture/raw_event.h"
#include "capture/site_cache.h"

namespace memray {

class Places;

// Deallocations of one address that are still to be reported, for memory that was reused before they were.
struct Awaited {
  std::uint64_t stamp = 0;  // of the latest allocation there that ended one before
  std::uint32_t count = 0;
};

struct ProcessMemory {
  LiveTable heap;
  Mappings mappings;
  NumberMap<std::uint64_t> apart;                      // sizes that the site does not tell, by number
  std::unordered_map<std::uint64_t, Awaited> awaited;  // by address
  std::uint64_t bytes = 0;
};

class Matcher {
 public:
  // `definitions` outlives the matcher, which adds sites to it.
  explicit Matcher(Definitions& definitions);
  ~Matcher();

  // Heap blocks. An allocation at a live address ends the old one first (its free was not seen).
  void allocate(const RawAllocation& allocation);
  void deallocate(const RawDeallocation& deallocation);

  // The site of an allocation that is to come. Sites are numbered in the order in which they are first asked for.
  SiteId site_of(const RawAllocation& a) {
    SiteCache::Entry& entry = known_sites_.entry(a);
    if (!entry.is(a)) [[unlikely]]
      entry = {a, find_site(a)};
    return entry.site();
  }
  bool has_fixed_size(SiteId site) const { return sizes_[index(site)].fixed; }

  // What belongs to a process. Valid until the process has ended.
  ProcessMemory& memory(ProcessId process) {
    if (process != latest_process_ || latest_memory_ == nullptr) [[unlikely]] {
      latest_memory_ = &find_memory(process);
      latest_process_ = process;
    }
    return *latest_memory_;
  }

  // An allocation by its site, without an event. False: call `allocate`.
  bool begin_block(ProcessMemory& memory, std::uint64_t address, std::uint64_t size, SiteId site, std::uint64_t stamp) {
    LiveBlock* const place = memory.heap.place_for(address);
    if (!place->is_free()) [[unlikely]]
      return false;
    insert(memory, place, address, size, site, stamp);
    ++unlisted_;
    return true;
  }

  // An allocation and its deallocation, with nothing between them. Returns its number. None: call the others.
  std::optional<std::uint64_t> pass_block(ProcessMemory& memory, std::uint64_t address, std::uint64_t size) {
    if (!memory.heap.place_for(address)->is_free()) [[unlikely]]
      return std::nullopt;
    const std::uint64_t number = begin(memory, size);
    memory.bytes -= size;
    live_bytes_ -= size;
    ++totals_.deallocations;
    unlisted_ += 2;
    return number;
  }
  // The same `count` times more, right after that.
  void pass_blocks(std::uint64_t size, std::uint64_t count) {
    totals_.allocated_bytes += size * count;
    totals_.deallocations += count;
    next_number_ += count;
    unlisted_ += 2 * count;
  }

  struct Block {
    std::uint64_t number;
    std::uint64_t size;
    Allocator deallocator;
  };
  // A deallocation, without an event. None: call `deallocate`.
  std::optional<Block> end_block(ProcessMemory& memory, std::uint64_t address, std::uint64_t stamp) {
    LiveBlock* const block = memory.heap.find(address);
    if (block == nullptr || stamps_.younger(block->number(), next_number_, stamp)) [[unlikely]]
      return std::nullopt;
    ++unlisted_;
    return remove(memory, block);
  }

  // Mappings: allocator mmap. A new mapping replaces what it overlaps (MAP_FIXED); an unmapping may cover parts of
  // several mappings; a hole in the middle splits one in two, which both belong to the original allocation.
  void map(const RawAllocation& mapping);
  void unmap(const RawDeallocation& unmapping);

  // Gives back the memory for what lives. Nothing more can be matched.
  void drop_all();

  // All that lives in `process` ends.
  void process_ended(ProcessId process, bool exec, Time time);

  // Events made since the last call to `clear`, in order.
  std::span<const Event> events() const { return std::span(events_).first(count_); }
  void clear();

  std::uint64_t live_bytes() const { return live_bytes_; }
  std::uint64_t live_bytes(ProcessId process) const;
  std::uint64_t live_count() const;
  std::uint64_t peak_bytes() const { return peak_bytes_; }
  void reset_peak() { peak_bytes_ = live_bytes_; }  // to what is live now
  std::uint64_t unknown_deallocations() const { return unknown_; }
  Totals totals() const;

 private:
  // What of a site every event needs.
  struct SiteSize {
    static constexpr std::uint32_t kApart = 0xffff'ffff;  // sizes vary, or are larger than this
    std::uint32_t size = 0;
    Allocator deallocator{};
    bool fixed = true;
  };

  void insert(ProcessMemory& memory, LiveBlock* place, std::uint64_t address, std::uint64_t size, SiteId site,
              std::uint64_t stamp) {
    const std::uint64_t number = begin(memory, size);
    stamps_.add(number, stamp);
    if (sizes_[index(site)].size == SiteSize::kApart) [[unlikely]]
      memory.apart[number] = size;
    memory.heap.insert(place, {address, number, index(site)});
  }
  Block remove(ProcessMemory& memory, LiveBlock* block) {
    const SiteSize& known = sizes_[block->site()];
    Block gone{block->number(), known.size, known.deallocator};
    if (gone.size == SiteSize::kApart) [[unlikely]]
      gone.size = take_size(memory, gone.number);
    memory.heap.erase(block);
    memory.bytes -= gone.size;
    live_bytes_ -= gone.size;
    ++totals_.deallocations;
    return gone;
  }
  // The number of an allocation that begins.
  std::uint64_t begin(ProcessMemory& memory, std::uint64_t size) {
    totals_.allocated_bytes += size;
    memory.bytes += size;
    live_bytes_ += size;
    peak_bytes_ = std::max(peak_bytes_, live_bytes_);
    return next_number_++;
  }

  SiteId find_site(const RawAllocation& a);
  ProcessMemory& find_memory(ProcessId process);
  std::uint64_t take_size(ProcessMemory& memory, std::uint64_t number);
  Event& add(const Event& event);
  void add_allocation(const RawAllocation& allocation, SiteId site);
  void add_unknown(const RawDeallocation& deallocation);
  void replace(ProcessMemory& memory, LiveBlock* block, const RawAllocation& a);
  void end(ProcessMemory& memory, LiveBlock* block, std::uint64_t address, ThreadId thread, Time time);
  bool was_awaited(const RawDeallocation& d, ProcessMemory& memory);
  bool remove_mapped(std::uint64_t start, std::uint64_t end, std::uint64_t stamp, ThreadId thread, Time time,
                     ProcessMemory& memory);

  Definitions& definitions_;
  std::unique_ptr<Places> places_;
  SiteCache known_sites_;
  std::vector<SiteSize> sizes_;  // by site
  LatestStamps stamps_;
  std::vector<std::unique_ptr<ProcessMemory>> processes_;
  ProcessId latest_process_{};
  ProcessMemory* latest_memory_ = nullptr;
  std::vector<Event> events_ = std::vector<Event>(1024);
  std::size_t count_ = 0;       // of `events_` that hold one
  std::uint64_t unlisted_ = 0;  // events that were none of these
  Totals totals_;               // but for the peak and `unlisted_`
  std::uint64_t next_number_ = 0;
  std::uint64_t live_bytes_ = 0;
  std::uint64_t peak_bytes_ = 0;
  std::uint64_t unknown_ = 0;
};

}  // namespace memray
