// From the sections of events blocks back to events. One decoder goes once over the blocks of a capture, from the first
// on: it remembers the live allocations, which deallocations refer to. One that starts at a later block does not know
// what was allocated before: deallocations of that are unknown ones to it, and addresses cannot be told.
#pragma once

#include <memray/capture.h>

#include <memory>
#include <vector>

#include "capture/format.h"
#include "capture/number_window.h"

namespace memray::format {

struct LiveAllocation {
  static constexpr std::uint32_t kNoSite = 0xffff'ffff;

  std::uint64_t address = 0;
  std::uint64_t size = 0;
  std::uint32_t site = kNoSite;

  friend bool is_gone(const LiveAllocation& entry) { return entry.site == kNoSite; }
  friend void mark_gone(LiveAllocation& entry) { entry.site = kNoSite; }
};
using AllocationWindow = NumberWindow<LiveAllocation>;

// The unpacked sections of one block; those of columns not asked for are empty.
struct EventSections {
  ByteWriter events, threads, address_codes, address_deltas, times;
};

class EventDecoder {
 public:
  enum class Result { done, stopped, malformed };

  EventDecoder(const Definitions& definitions, Columns columns);
  ~EventDecoder();

  // Before the first block, if that is not the capture's.
  void begin_at(const EventsSummary& block);

  // Starts a block, whose sections must live until its end. False if it does not follow the block before.
  bool begin(const EventsSummary& summary, const EventSections& sections);

  // Appends up to a few thousand of the block's events to `batch`: none at its end. False if the block makes no sense
  // after what was appended.
  bool next(std::vector<Event>& batch);

 private:
  struct Cursor;
  bool decode_event(Cursor& in, Event& event);
  bool decode_extended(Cursor& in, Event& event);
  bool begin_allocation(Cursor& in, Event& event, std::uint64_t site_delta);
  bool end_allocation(Cursor& in, Event& event, std::uint64_t number_delta);
  void drop_process(std::uint32_t process);

  const Definitions& definitions_;
  Columns columns_;
  AllocationWindow live_;
  std::uint64_t first_known_ = 0;
  std::unique_ptr<Cursor> cursor_;
};

}  // namespace memray::format
