// What was live at moments of the past, for who wants to look back: about one a second, fewer the longer ago, and fewer
// where they are large.
#pragma once

#include <memray/types.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "capture/aggregates.h"

namespace memray::live {

class Moments {
 public:
  explicit Moments(std::size_t max_bytes = std::size_t{64} << 20, std::size_t max_moments = 240)
      : max_bytes_(max_bytes), max_moments_(max_moments) {}

  void add(Time time, const SiteTotals& live);

  bool empty() const { return moments_.empty(); }
  std::vector<Time> times() const;  // in order
  // At the latest moment that is not later than `time`, or else at the first one.
  SiteTotals at(Time time) const;

  std::size_t bytes() const { return bytes_; }

 private:
  struct Held {
    std::uint64_t bytes;
    std::uint64_t count;
    std::uint32_t site;
  };
  struct Moment {
    Time time{};
    std::vector<Held> held;
    std::size_t size() const { return sizeof *this + held.size() * sizeof(Held); }
  };

  void forget(std::size_t i);

  std::size_t max_bytes_;
  std::size_t max_moments_;
  std::size_t bytes_ = 0;
  std::vector<Moment> moments_;
};

}  // namespace memray::live
