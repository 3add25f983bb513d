// The moment when the program held most, and what it held then.
//
// The capture says in the headers of its blocks how high the sum of live bytes came in each and after which event, so
// the moment is known before a single event is read. What was live then is what is left in the window of live
// allocations when the pass stops there: nothing after it is read, and no sums are kept on the way.
//
// Of equal heights the latest counts, as users of other tools expect, and events that change no sum (sizes of zero,
// unknown addresses) extend the moment.

#include <cstdlib>
#include <optional>

#include "capture/capture_state.h"
#include "capture/columns.h"
#include "query/grouping.h"

namespace memray {
namespace {

using format::EventDecoder;
using format::EventSections;
using format::EventsSummary;

// Of an empty capture, one without events.
EventsSummary highest_block(const std::vector<format::BlockPlace>& blocks) {
  EventsSummary highest;
  for (const format::BlockPlace& block : blocks)
    if (block.header.summary.live_peak >= highest.live_peak) highest = block.header.summary;
  return highest;
}

// The program may have asked to count from some moment on.
std::optional<Time> peak_reset(const Metadata& metadata) {
  for (const auto& [key, value] : metadata.extra)
    if (key == "peak_reset_ns") return Time{std::strtoll(value.c_str(), nullptr, 10)};
  return std::nullopt;
}

Time time_of(const EventSections& sections, std::uint64_t event) {
  format::TimeColumnReader times(sections.times.bytes());
  std::int64_t units = 0;
  for (std::uint64_t i = 0; i <= event; ++i) units = times.read(i);
  return Time{units * format::kTimeUnit};
}

// Whether what is not in the file any more came higher than all that is. The file begins with what was live between.
bool is_earlier(const Capture::State& state, const EventsSummary& highest) {
  if (!state.aggregates) return state.metadata.aggregated;  // damaged
  const std::uint64_t before = state.aggregates->totals.peak_bytes;
  if (state.events_blocks.empty() || highest.live_peak != before) return highest.live_peak <= before;
  return highest.first_event + highest.peak_event < state.aggregates->restated_events;
}

Snapshot aggregated_peak(const Capture::State& state, const SnapshotOptions& options) {
  if (!state.aggregates) return {};
  Snapshot snapshot = group_sites(state.definitions, state.aggregates->peak, options);
  snapshot.time = state.aggregates->peak_time;
  return snapshot;
}

}  // namespace

Snapshot peak(const Capture& capture, const SnapshotOptions& options) {
  Capture::State& state = capture.state();
  const auto reset = peak_reset(state.metadata);
  if (reset && !state.metadata.aggregated) return peak_within(capture, *reset, state.metadata.end, options);
  const EventsSummary highest = highest_block(state.events_blocks);
  if (is_earlier(state, highest)) return aggregated_peak(state, options);
  LiveSites live(state.definitions, false, options.split_sizes);
  Time time{};
  state.for_each_events_block(Columns::time, [&](const EventsSummary& block, const EventSections& sections) {
    const bool last = block.first_event == highest.first_event;
    const std::uint64_t events = last ? block.peak_event + 1 : block.events;
    if (!live.apply(block, sections.events.bytes(), events)) return EventDecoder::Result::malformed;
    if (!last) return EventDecoder::Result::done;
    time = time_of(sections, block.peak_event);
    return EventDecoder::Result::stopped;
  });
  Snapshot snapshot = group_sites(state.definitions, live.held(), options);
  snapshot.time = time;
  return snapshot;
}

}  // namespace memray
