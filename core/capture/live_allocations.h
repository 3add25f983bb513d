// What is live after events that a capture does not have one by one, and how such a capture begins: with sums of these
// events, and with the live allocations as if they were made now.
//
// Restating renumbers: those that live on become the first allocations of the capture. What comes from the matcher has
// the numbers of the whole recording, "original" ones; they are translated when they are written. A capture of millions
// of live allocations must not cost a hash table of them, so a Numbering is a sorted list, cut into pieces of 4096
// numbers that are found without searching, with two bytes for each allocation.
#pragma once

#include <memray/definitions.h>
#include <memray/event.h>

#include <cstdint>
#include <span>
#include <vector>

#include "capture/aggregates.h"
#include "capture/encoder.h"
#include "capture/number_map.h"
#include "capture/number_window.h"

namespace memray {

class Numbering {
 public:
  // Of a recording from its beginning on: all numbers stay.
  Numbering() = default;
  // Of a capture that begins with the allocations `kept`, ascending, and goes on with the one that originally was
  // number `next`.
  Numbering(std::span<const std::uint64_t> kept, std::uint64_t next);

  std::uint64_t original(std::uint64_t number) const;
  // Of an allocation that is in the capture.
  std::uint64_t number(std::uint64_t original) const {
    if (original >= next_) [[likely]]
      return original - next_ + low_.size();
    return rank(original);
  }

 private:
  std::uint64_t rank(std::uint64_t original) const;

  std::vector<std::uint64_t> first_;  // of each piece, its first entry in `low_`; one more at the end
  std::vector<std::uint16_t> low_;    // the originals, modulo a piece
  std::uint64_t next_ = 0;
};

class LiveAllocations {
 public:
  explicit LiveAllocations(const Definitions& definitions) : definitions_(definitions) {}

  // All events from the first on.
  void add(std::span<const Event> events);

  struct Restated {
    Numbering numbering;
    std::uint64_t events = 0;  // that say it
  };
  // Begins a capture: `encoder` has written nothing so far. `all` is what all events add up to.
  Restated restate(Aggregates all, Encoder& encoder);

 private:
  struct Entry {
    static constexpr std::uint32_t kGone = 0xffff'ffff;
    std::uint64_t address;
    std::uint64_t size;
    Time time;
    std::uint32_t site;
    ThreadId thread;

    friend bool is_gone(const Entry& entry) { return entry.site == kGone; }
    friend void mark_gone(Entry& entry) { entry.site = kGone; }
  };
  struct Cut {
    std::uint64_t gone = 0;
    std::uint32_t pieces = 1;
  };

  void add(const Event& event);
  bool of_process(const Entry& entry, std::uint32_t process) const;
  void leave_out(Aggregates& sums, const std::vector<std::uint64_t>& kept);

  const Definitions& definitions_;
  format::NumberWindow<Entry> window_;
  NumberMap<Cut> cuts_;  // mappings of which a part is gone
};

}  // namespace memray
