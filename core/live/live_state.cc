#include "live/live_state.h"

#include <algorithm>
#include <string>

#include "capture/aggregated_file.h"
#include "query/grouping.h"

namespace memray::live {
namespace {

// A second; less in the first ones, so that of a short recording something is known, too. Nanoseconds.
std::int64_t between_looks(Time now) {
  return std::clamp<std::int64_t>(nanoseconds(now) / 10, 50'000'000, 1'000'000'000);
}

}  // namespace

LiveState::LiveState() : reader_(*this, Columns::time) {}
LiveState::~LiveState() = default;

void LiveState::feed(std::span<const std::byte> bytes) { reader_.feed(bytes); }

void LiveState::begin(const Capture& capture) {
  // The definitions stay where they are when the capture is moved.
  sums_.emplace(capture.definitions());
  marks_.emplace(capture.definitions());
  moments_ = Moments();
  samples_ = SampleThinner();
  sample_count_ = 0;
  restated_ = 0;
  looked_.reset();
  ++beginnings_;
  beginning_ = true;
}

void LiveState::bytes(std::span<const std::byte> bytes) {
  if (keep_) keep_(bytes, std::exchange(beginning_, false));
}

void LiveState::before(const Aggregates& aggregates) {
  sums_.emplace(definitions(), aggregates);
  restated_ = aggregates.restated_events;
}

void LiveState::events(std::span<const Event> events) {
  look(events.front().time);
  sums_->add(events);
  marks_->add(events);
  restated_ -= std::min<std::uint64_t>(restated_, events.size());
}

// While what was live is told once more, what is live is none of a moment of the past, but all of it is of its age.
void LiveState::look(Time time) {
  if (looked_ && nanoseconds(time) - nanoseconds(*looked_) < between_looks(time)) return;
  looked_ = time;
  const SiteTotals live = sums_->live();
  marks_->mark(time, live);
  if (restated_ == 0) moments_.add(time, live);
}

void LiveState::sample(const MemorySample& sample) {
  samples_.add(sample);
  ++sample_count_;
}

std::optional<Time> LiveState::default_age() const {
  const Time half{nanoseconds(latest()) / 2};
  std::optional<Time> found;
  for (const Time time : ages())
    if (!found || time <= half) found = time;
  return found;
}

SiteTotals LiveState::held(const Question& question) const {
  if (question.view == View::peak) return sums_->peak();
  if (question.view == View::current) return question.time ? moments_.at(*question.time) : sums_->live();
  SiteTotals held = sums_->kept();
  const auto age = question.time ? question.time : default_age();
  const SiteTotals old = age ? marks_->older_than(*age) : SiteTotals{};
  held.resize(std::max(held.size(), old.size()));
  for (std::size_t i = 0; i < old.size(); ++i) {
    held[i].bytes += old[i].bytes;
    held[i].count += old[i].count;
  }
  return held;
}

Snapshot LiveState::snapshot(const Question& question) const {
  if (!sums_) return {};
  Snapshot snapshot = group_sites(definitions(), held(question), {question.merge_threads});
  snapshot.time = question.view == View::peak ? sums_->peak_time() : question.time.value_or(latest());
  return snapshot;
}

void LiveState::save(std::optional<Time> moment, const std::function<void(std::span<const std::byte>)>& write) const {
  if (!sums_) throw CaptureError("nothing has come yet that could be saved");
  Aggregates aggregates = sums_->aggregates();
  if (moment) {
    aggregates.peak = aggregates.live = held({View::current, moment});
    aggregates.kept.clear();
    aggregates.peak_time = *moment;
    aggregates.totals.peak_bytes = 0;
    for (const SiteTotal& site : aggregates.peak) aggregates.totals.peak_bytes += site.bytes;
  }
  Metadata metadata = capture()->metadata();
  metadata.end = std::max(metadata.end, latest());
  metadata.events_from = {};
  format::write_aggregated({metadata, definitions(), std::move(aggregates), samples_.samples()},
                           [&](const Block& block) { write(block.bytes); });
}

}  // namespace memray::live
