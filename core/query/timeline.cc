// The collector looks at all processes at one moment, so samples of the same time belong together. A process counts
// until its last sample; after that it is taken to be gone.

#include "query/timeline.h"

#include <algorithm>
#include <map>

namespace memray {
namespace {

struct Sum {
  std::uint64_t MemorySample::*of;
  std::uint64_t TimelinePoint::*in;
};
constexpr Sum kSums[] = {
    {&MemorySample::rss, &TimelinePoint::rss},           {&MemorySample::anonymous, &TimelinePoint::anonymous},
    {&MemorySample::mapped, &TimelinePoint::mapped},     {&MemorySample::pss, &TimelinePoint::pss},
    {&MemorySample::mappings, &TimelinePoint::mappings}, {&MemorySample::own, &TimelinePoint::own}};

void exchange(TimelinePoint& sum, const MemorySample& before, const MemorySample& after) {
  for (const auto& [of, in] : kSums) sum.*in += after.*of - before.*of;
}

void raise_to(TimelinePoint& point, const TimelinePoint& other) {
  for (const auto& [of, in] : kSums) point.*in = std::max(point.*in, other.*in);
  point.heap = std::max(point.heap, other.heap);
}

std::vector<TimelinePoint> every_moment(std::span<const MemorySample> samples) {
  std::map<ProcessId, std::size_t> last_sample;
  for (std::size_t i = 0; i < samples.size(); ++i) last_sample[samples[i].process] = i;

  std::vector<TimelinePoint> points;
  std::map<ProcessId, MemorySample> latest;
  std::vector<ProcessId> gone;
  TimelinePoint sum;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const MemorySample& sample = samples[i];
    if (points.empty() || points.back().time != sample.time) {
      points.emplace_back();
      for (const ProcessId process : gone) exchange(sum, latest[process], {});
      gone.clear();
      sum.heap = 0;
    }
    exchange(sum, latest[sample.process], sample);
    latest[sample.process] = sample;
    if (last_sample[sample.process] == i) gone.push_back(sample.process);
    sum.heap = std::max(sum.heap, sample.heap);
    points.back() = sum;
    points.back().time = sample.time;
  }
  return points;
}

}  // namespace

std::vector<TimelinePoint> timeline(const Capture& capture, std::size_t max_points) {
  return timeline(capture.memory_samples(), max_points);
}

std::vector<TimelinePoint> timeline(std::span<const MemorySample> samples, std::size_t max_points) {
  const std::vector<TimelinePoint> all = every_moment(samples);
  const std::size_t stride = stride_of(all.size(), max_points);
  std::vector<TimelinePoint> points;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (i % stride == 0) points.push_back(all[i]);
    raise_to(points.back(), all[i]);
  }
  return points;
}

std::vector<Time> slot_borders(const Capture& capture, std::size_t max_slots) {
  std::vector<Time> borders;
  for (const TimelinePoint& point : timeline(capture, max_slots)) borders.push_back(point.time);
  return borders;
}

}  // namespace memray
