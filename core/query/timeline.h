// Which moments of sampling are shown.
#pragma once

#include <memray/query.h>

#include <span>
#include <vector>

namespace memray {

// Every how manieth of `all` to take for at most `most` of them.
constexpr std::size_t stride_of(std::size_t all, std::size_t most) {
  return most == 0 || all <= most ? 1 : (all + most - 1) / most;
}

std::vector<TimelinePoint> timeline(std::span<const MemorySample> samples, std::size_t max_points);
std::vector<Time> slot_borders(const Capture& capture, std::size_t max_slots);

}  // namespace memray
