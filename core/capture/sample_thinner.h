// Memory samples of a recording of any length in bounded memory: when there are too many, two moments become one, and
// from then on twice as many moments make one. Of the samples of a process that are merged, the highest values stay.
#pragma once

#include <memray/capture.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace memray {

class SampleThinner {
 public:
  explicit SampleThinner(std::size_t limit = 8192) : limit_(limit) {}

  void add(const MemorySample& sample) {
    if (moments_ == 0 || sample.time != latest_) ++moments_;
    latest_ = sample.time;
    put(moments_ - 1, sample);
    if (samples_.size() > limit_) halve();
  }

  const std::vector<MemorySample>& samples() const { return samples_; }

 private:
  void put(std::uint64_t moment, const MemorySample& sample) {
    for (std::size_t i = samples_.size(); i-- > 0 && moment_of_[i] / stride_ == moment / stride_;) {
      if (samples_[i].process != sample.process) continue;
      samples_[i].rss = std::max(samples_[i].rss, sample.rss);
      samples_[i].heap = std::max(samples_[i].heap, sample.heap);
      return;
    }
    samples_.push_back(sample);
    moment_of_.push_back(moment);
  }

  // Where every moment has more samples than the limit there is nothing to merge: the limit grows then.
  void halve() {
    stride_ *= 2;
    const auto samples = std::exchange(samples_, {});
    const auto moments = std::exchange(moment_of_, {});
    for (std::size_t i = 0; i < samples.size(); ++i) put(moments[i], samples[i]);
    limit_ = std::max(limit_, samples_.size() * 3 / 2);
  }

  std::vector<MemorySample> samples_;
  std::vector<std::uint64_t> moment_of_;
  std::size_t limit_;
  std::uint64_t stride_ = 1;
  std::uint64_t moments_ = 0;
  Time latest_{};
};

}  // namespace memray
