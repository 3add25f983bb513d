// The events block under construction.
//
// An event is one number, mostly of one byte. Programs allocate at few places at a time, so an allocation is the
// distance of its site's number from that of the allocation before. Memory is freed soon after it was allocated, or
// together with what was allocated beside it, so a deallocation is the distance of its allocation's number from the one
// that the event before was about: half the bytes, after compression, of saying how many allocations ago that was. What
// only some readers want (addresses, threads, times) goes to columns of its own: they are compressed apart and cost
// nothing to who skips them.
//
// Every block starts from a fixed state, so a reader may begin at any of them; what a block does to the sum of live
// bytes stands in its header, so finding the peak needs no events at all.
//
// `allocation` and `deallocation` are what nearly every event is. They are inline: the collector calls them as it pairs
// the two.
#pragma once

#include <memray/event.h>

#include <algorithm>
#include <cstdint>

#include "capture/columns.h"
#include "capture/format.h"
#include "capture/varint.h"

namespace memray::format {

class EventsWriter {
 public:
  std::uint64_t events() const { return summary_.events; }
  std::uint64_t next_event() const { return summary_.first_event + summary_.events; }  // its number in the capture
  std::size_t bytes() const { return tokens_.size(); }

  // The next allocation, by `thread`, whose site it is.
  void allocation(SiteId site, bool fixed_size, ThreadId thread, Allocator allocator, std::uint64_t size,
                  std::uint64_t address) {
    threads_.expect(thread);
    site_token(site, fixed_size, size);
    addresses_.allocation(allocator, size, address);
    began(size);
  }

  // The whole of allocation `number`, which is ended by `allocator` where all is well.
  void deallocation(std::uint64_t number, ThreadId thread, Allocator allocator, std::uint64_t size,
                    std::uint64_t address) {
    threads_.add(summary_.events, thread, threads_.previous());
    tokens_.varint(encode_delta(number, reference_) << 1);
    reference_ = number;
    addresses_.deallocation(allocator, size, address);
    ++summary_.deallocations;
    ended(size);
  }

  // What `allocation` and `deallocation` were just told, of a place with a fixed size and an address that is a multiple
  // of 16 and not 0, happens `count` times more, at the same time.
  void repeat(std::uint64_t size, std::uint64_t count);

  // Any event. The site's thread and kind are only looked at for allocations.
  void add(const Event& event, ThreadId site_thread, bool fixed_size);

  // The moment of the event that comes next. Need not be told again while it is in the same unit of time and block.
  void time(Time time) {
    if (summary_.events != 0 && time >= mark_ && nanoseconds(time) - nanoseconds(mark_) < kTimeUnit) [[likely]]
      return;
    new_time(time);
  }

  // Adds the sections to `block`, and starts the next one.
  EventsSummary finish(BlockBuilder& block);

 private:
  void site_token(SiteId site, bool fixed_size, std::uint64_t size) {
    const std::uint64_t delta = encode_delta(index(site), previous_site_);
    previous_site_ = index(site);
    if (fixed_size) [[likely]] {
      tokens_.varint(delta << 1 | 1);
    } else {
      extended(Extended::sized_allocation);
      tokens_.varint(delta);
      tokens_.varint(size);
    }
  }
  void began(std::uint64_t size) {
    ++summary_.allocations;
    reference_ = summary_.first_allocation + summary_.allocations;
    summary_.allocated_bytes += size;
    summary_.live_after += size;
    if (summary_.live_after >= summary_.live_peak) {
      summary_.live_peak = summary_.live_after;
      summary_.peak_event = summary_.events;
    }
    ++summary_.events;
  }
  void ended(std::uint64_t size) {
    summary_.live_after -= size;
    // Of equal moments the last is the peak: an end of nothing, or the first event of a block.
    if (summary_.live_after >= summary_.live_peak) [[unlikely]] {
      summary_.live_peak = summary_.live_after;
      summary_.peak_event = summary_.events;
    }
    ++summary_.events;
  }
  void extended(Extended code) {
    tokens_.varint(0);
    tokens_.varint(static_cast<std::uint64_t>(code));
  }
  void new_time(Time time);

  EventsSummary summary_;
  ByteWriter tokens_;
  std::uint64_t previous_site_ = 0;
  std::uint64_t reference_ = 0;  // the number of the allocation that the next deallocation is told from
  ThreadColumnWriter threads_;
  AddressColumnWriter addresses_;
  TimeColumnWriter times_;
  Time mark_{};  // of the event before
};

}  // namespace memray::format
