// From stamps to nanoseconds.
#pragma once

#include <memray/types.h>

#include <algorithm>
#include <cstdint>

namespace memray::collector {

// The rate of the stamps is measured against CLOCK_MONOTONIC between the start of the session and the latest `adjust`.
// Times given out never decrease.
class Clock {
 public:
  Clock();
  void adjust(std::uint64_t stamp);
  Time time_of(std::uint64_t stamp) {
    latest_ = std::max(latest_, static_cast<std::int64_t>(static_cast<double>(stamp) * ns_per_tick_));
    return Time{latest_};
  }
  // Stamps before this one are not later than `time`.
  std::uint64_t stamp_of(Time time) const {
    return ns_per_tick_ > 0 ? static_cast<std::uint64_t>(static_cast<double>(nanoseconds(time)) / ns_per_tick_) : 0;
  }
  std::int64_t start_realtime_ns() const { return start_realtime_ns_; }

 private:
  std::int64_t start_ns_ = 0;
  std::int64_t start_realtime_ns_ = 0;
  double ns_per_tick_ = 0;
  std::int64_t latest_ = 0;
};

}  // namespace memray::collector
