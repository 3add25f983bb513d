#include "html_common/memory_curve.h"

#include <algorithm>
#include <map>

namespace memray::html {

std::vector<MemoryPoint> memory_curve(std::span<const MemorySample> samples, std::size_t max_points) {
  // A process counts until its last sample, after which it is taken to be gone.
  std::map<ProcessId, std::size_t> last_sample;
  for (std::size_t i = 0; i < samples.size(); ++i) last_sample[samples[i].process] = i;

  std::vector<MemoryPoint> points;
  const std::size_t stride = (samples.size() + max_points - 1) / max_points;
  std::map<ProcessId, std::uint64_t> rss_of;
  std::uint64_t rss = 0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const MemorySample& sample = samples[i];
    std::uint64_t& own = rss_of[sample.process];
    rss += sample.rss - own;
    own = sample.rss;

    const auto time = static_cast<std::uint64_t>(std::max<std::int64_t>(nanoseconds(sample.time), 0) / 1'000'000);
    if (i % stride == 0) points.push_back({time, 0, 0});
    points.back().rss = std::max(points.back().rss, rss);
    points.back().heap = std::max(points.back().heap, sample.heap);

    if (last_sample[sample.process] == i && last_sample.size() > 1) {
      rss -= own;
      own = 0;
    }
  }
  return points;
}

}  // namespace memray::html
