// When the latest allocations were made. A thread that is held up between a realloc and its report for longer than all
// others take for so many allocations may be misunderstood.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace memray {

class LatestStamps {
 public:
  void add(std::uint64_t number, std::uint64_t stamp) {
    stamps_[number % kCount] = stamp;
    latest_ = std::max(latest_, stamp);
  }
  // Whether allocation `number`, of `made` so far, is younger than `stamp`.
  bool younger(std::uint64_t number, std::uint64_t made, std::uint64_t stamp) const {
    if (stamp >= latest_) [[likely]]
      return false;
    return number + kCount >= made && stamps_[number % kCount] > stamp;
  }

 private:
  static constexpr std::size_t kCount = std::size_t{1} << 16;
  std::vector<std::uint64_t> stamps_ = std::vector<std::uint64_t>(kCount);
  std::uint64_t latest_ = 0;
};

}  // namespace memray
