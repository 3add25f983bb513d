// Sizes span many orders of magnitude, so the edges grow geometrically from the smallest size that is not zero to the
// largest. An edge is a whole number of bytes, rounded down, and a size belongs to the first bin whose upper edge is
// above it: what a label says is what was counted, also where a bin is narrower than one byte and stays empty.

#include "query/histogram.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace memray {

std::vector<SizeBin> size_histogram(std::span<const std::pair<std::uint64_t, std::uint64_t>> count_by_size) {
  constexpr std::size_t kBins = 10;
  const auto smallest = std::ranges::find_if(count_by_size, [](const auto& entry) { return entry.first != 0; });
  const bool sized = smallest != count_by_size.end();
  const std::uint64_t largest = sized ? count_by_size.back().first : 0;

  double low = sized ? std::log(static_cast<double>(smallest->first)) : 0;
  const double high = sized ? std::log(static_cast<double>(largest)) : 0;
  if (low == high) low /= 2;
  const double step = (high - low) / kBins;

  std::array<std::uint64_t, kBins> upper{};  // exclusive, but for the last
  for (std::size_t i = 0; i + 1 < kBins; ++i)
    upper[i] = static_cast<std::uint64_t>(std::exp(low + step * static_cast<double>(i + 1)));
  upper.back() = largest;

  std::vector<SizeBin> bins(kBins);
  for (std::size_t i = 0; i < kBins; ++i) {
    bins[i].min_bytes = i == 0 ? 0 : upper[i - 1];
    bins[i].max_bytes = i + 1 == kBins ? largest : upper[i] - 1;
  }
  for (const auto& [size, count] : count_by_size) {
    const auto edge = std::upper_bound(upper.begin(), upper.end() - 1, size);
    bins[size == 0 ? 0 : static_cast<std::size_t>(edge - upper.begin())].count += count;
  }
  return bins;
}

}  // namespace memray
