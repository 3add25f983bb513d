#include "collector/pump.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace memray::collector {

namespace {

using namespace std::chrono_literals;

constexpr auto kTick = 10ms;
constexpr std::chrono::microseconds kBusyTick = 1ms;
constexpr std::chrono::microseconds kShortestWait = 100us;
constexpr auto kTimeResolution = 100us;   // of samples, which are to be an interval apart at least
constexpr std::uint32_t kManyWaits = 50;  // about a second

std::chrono::microseconds until(std::chrono::steady_clock::time_point then) {
  return std::chrono::ceil<std::chrono::microseconds>(then - std::chrono::steady_clock::now());
}

std::string join(const std::vector<std::string>& words, char separator) {
  std::string result;
  for (const std::string& word : words) {
    if (&word != &words.front()) result += separator;
    result += word;
  }
  return result;
}

std::string names(const std::vector<TargetPlugin>& plugins) {
  std::vector<std::string> result;
  for (const TargetPlugin& plugin : plugins) result.push_back(plugin.name);
  return join(result, ',');
}

}  // namespace

Pump::Pump(Collector& collector, std::chrono::milliseconds sample_interval)
    : collector_(collector),
      sample_interval_(sample_interval),
      tick_(std::min<std::chrono::milliseconds>(kTick, std::max(1ms, sample_interval))),
      wait_(tick_),
      next_sample_(Clock::now()),
      flushes_(Clock::now()) {}

void Pump::step() {
  wait_ = collector_.drain(false) ? kBusyTick : std::chrono::microseconds(tick_);
  const auto now = Clock::now();
  if (!collector_.recording()) {
    recording_ = false;
  } else if (!std::exchange(recording_, true)) {  // its beginning is sampled
    next_sample_ = now + sample_interval_;
  } else if (now >= next_sample_) {
    collector_.sample();
    next_sample_ = Clock::now() + sample_interval_ + kTimeResolution;
  }
  if (recording_) wait_ = std::clamp(until(next_sample_), kShortestWait, wait_);
  if (const Flush due = flushes_.due(now, collector_.totals().events); due != Flush::none)
    collector_.flush(due == Flush::all);
  if (collector_.waits() >= kManyWaits && !std::exchange(told_of_waiting_, true)) {
    warn(
        "the program allocates faster than the recording can be written, so it has to wait now and then; "
        "nothing is lost. With --on-overrun=drop it would not wait");
  }
  if (!collector_.sink_status().ok() && !std::exchange(sink_failed_, true)) {
    warn(collector_.sink_status().message() + "; the program goes on, the recording ends here");
  }
}

Metadata initial_metadata(const RecordRequest& request, pid_t pid) {
  Metadata metadata;
  metadata.memray_version = MEMRAY_VERSION;
  metadata.pid = static_cast<std::uint32_t>(pid);
  metadata.command_line = join(request.argv, ' ');
  metadata.hooks = names(request.hooks);
  metadata.unwinders = names(request.unwinders);
  return metadata;
}

void warn(const std::string& text) { tell("memray: " + text); }

}  // namespace memray::collector
