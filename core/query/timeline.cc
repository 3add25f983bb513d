// The collector looks at all processes at one moment, so samples of the same time belong together. A process counts
// until its last sample; after that it is taken to be gone.

#include "query/timeline.h"

#include <algorithm>
#include <map>

namespace memray {
namespace {

std::vector<TimelinePoint> every_moment(std::span<const MemorySample> samples) {
  std::map<ProcessId, std::size_t> last_sample;
  for (std::size_t i = 0; i < samples.size(); ++i) last_sample[samples[i].process] = i;

  std::vector<TimelinePoint> points;
  std::map<ProcessId, std::uint64_t> rss_of;
  std::uint64_t gone = 0;
  std::uint64_t rss = 0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const MemorySample& sample = samples[i];
    if (points.empty() || points.back().time != sample.time) {
      points.push_back({sample.time, 0, 0});
      rss -= std::exchange(gone, 0);
    }
    std::uint64_t& own = rss_of[sample.process];
    rss += sample.rss - std::exchange(own, sample.rss);
    if (last_sample[sample.process] == i) gone += std::exchange(own, 0);
    points.back().rss = rss;
    points.back().heap = std::max(points.back().heap, sample.heap);
  }
  return points;
}

}  // namespace

std::vector<TimelinePoint> timeline(const Capture& capture, std::size_t max_points) {
  const std::vector<TimelinePoint> all = every_moment(capture.memory_samples());
  const std::size_t stride = stride_of(all.size(), max_points);
  std::vector<TimelinePoint> points;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (i % stride == 0) points.push_back(all[i]);
    points.back().rss = std::max(points.back().rss, all[i].rss);
    points.back().heap = std::max(points.back().heap, all[i].heap);
  }
  return points;
}

std::vector<Time> slot_borders(const Capture& capture, std::size_t max_slots) {
  std::vector<Time> borders;
  for (const TimelinePoint& point : timeline(capture, max_slots)) borders.push_back(point.time);
  return borders;
}

}  // namespace memray
