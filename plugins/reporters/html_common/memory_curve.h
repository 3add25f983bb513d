// Resident and heap memory over time, few enough points for a chart.
#pragma once

#include <memray/capture.h>

#include <cstdint>
#include <span>
#include <vector>

namespace memray::html {

struct MemoryPoint {
  std::uint64_t milliseconds = 0;
  std::uint64_t rss = 0;   // of all recorded processes alive at that moment
  std::uint64_t heap = 0;  // live recorded bytes
};

// At most `max_points`; of samples that share a point the highest values are taken, so that no peak is lost.
std::vector<MemoryPoint> memory_curve(std::span<const MemorySample> samples, std::size_t max_points);

}  // namespace memray::html
