// The two passes behind `temporal`. Both fill in the intervals of the groups and the high water of the slots.
#pragma once

#include <memray/query.h>

#include <cstdint>
#include <span>
#include <vector>

namespace memray {

// Which slot a moment lies in, for moments that come in order.
class SlotClock {
 public:
  explicit SlotClock(std::span<const Time> borders) : borders_(borders) {}
  // Moves on by one slot, if `time` lies behind the current one.
  bool advance(Time time);
  std::uint32_t slot() const { return static_cast<std::uint32_t>(next_); }

 private:
  std::span<const Time> borders_;
  std::size_t next_ = 0;
};

void add_lifetimes(const Capture& capture, std::span<const std::uint32_t> group_of_site, Temporal& temporal);
void add_high_water(const Capture& capture, std::span<const std::uint32_t> group_of_site, Temporal& temporal);

}  // namespace memray
