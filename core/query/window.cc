// What was live at a moment, and what happened between two.
//
// The index says for every block when it begins and ends and how high the sum of live bytes came in it, so a moment is
// found by looking into one block, and the highest moment of a window mostly without looking into any: blocks that lie
// wholly within the window are told by the index, and only if the highest point of a block that the window cuts lies in
// the part cut off, and is high enough to matter, sums have to be added up event by event.
//
// What was live at a moment takes all blocks before it. What was allocated in a window and is left at its end, or was
// temporary in it, does not: blocks before the window are not read.

#include <memray/query.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "query/grouping.h"
#include "query/moment.h"

namespace memray {
namespace {

struct Height {
  Moment moment;
  std::uint64_t bytes = 0;
};

std::uint64_t bytes_after(const Event& event, std::uint64_t bytes) {
  if (event.kind == Event::Kind::unknown_deallocation) return bytes;
  return event.kind == Event::Kind::allocation ? bytes + event.size : bytes - event.size;
}

// From the index alone; nothing where that does not suffice.
std::optional<Height> highest_by_index(const Capture::State& state, const Moment& from, const Moment& to) {
  const auto& blocks = state.events_blocks;
  Height highest{from, 0};
  std::uint64_t uncertain = 0;
  bool cut = false;
  for (std::size_t i = from.block; i < blocks.size() && (i < to.block || (i == to.block && to.events > 0)); ++i) {
    const format::EventsSummary& block = blocks[i].header.summary;
    const std::uint64_t first = i == from.block ? from.events : 0;
    const std::uint64_t last = i == to.block ? to.events : block.events;
    if (block.peak_event < first || block.peak_event >= last) {
      uncertain = std::max(uncertain, block.live_peak);
      cut = true;
    } else if (block.live_peak >= highest.bytes) {
      highest = {{i, block.peak_event + 1}, block.live_peak};
    }
  }
  // The state in which the window begins.
  if (from.events > 0 && from.block < blocks.size()) {
    const format::EventsSummary& block = blocks[from.block].header.summary;
    if (block.live_peak > highest.bytes) cut = true, uncertain = std::max(uncertain, block.live_peak);
  } else if (!blocks.empty()) {
    const std::uint64_t before = from.block < blocks.size() ? blocks[from.block].header.summary.live_before
                                                            : blocks.back().header.summary.live_after;
    if (before > highest.bytes) highest = {from, before};
  }
  if (cut && uncertain >= highest.bytes) return std::nullopt;
  return highest;
}

Height highest_by_events(const Capture& capture, const Moment& from, const Moment& to) {
  const auto& blocks = capture.state().events_blocks;
  Moment now;
  std::uint64_t bytes = 0;
  std::optional<Height> highest;
  const auto look = [&] {
    if (now >= from && (!highest || bytes >= highest->bytes)) highest = {now, bytes};
  };
  capture.events(Columns::none, [&](std::span<const Event> events) {
    for (const Event& event : events) {
      if (now.events == blocks[now.block].header.summary.events) now = {now.block + 1, 0};
      look();
      if (now >= to) return false;
      bytes = bytes_after(event, bytes);
      ++now.events;
    }
    return true;
  });
  look();
  return highest.value_or(Height{from, bytes});
}

Snapshot live_until(Capture::State& state, const Moment& moment, const SnapshotOptions& options) {
  LiveSites live(state.definitions, false, options.split_sizes);
  apply_until(state, moment, live);
  return group_sites(state.definitions, live.held(), options);
}

}  // namespace

Snapshot live_at(const Capture& capture, Time time, const SnapshotOptions& options) {
  Capture::State& state = capture.state();
  Snapshot snapshot = live_until(state, moment_at(state, time), options);
  snapshot.time = time;
  return snapshot;
}

Snapshot leaked_within(const Capture& capture, Time from, Time to, const SnapshotOptions& options) {
  Capture::State& state = capture.state();
  const Moment first = moment_at(state, from);
  LiveSites live(state.definitions, true, options.split_sizes);
  live.count_from(allocations_until(state, first));
  if (from < to && first.block < state.events_blocks.size()) {
    live.begin_at(state.events_blocks[first.block].header.summary);
    apply_until(state, moment_at(state, to), live, first.block);
  }
  Snapshot snapshot = group_sites(state.definitions, live.held(), options);
  snapshot.time = to;
  return snapshot;
}

Snapshot peak_within(const Capture& capture, Time from, Time to, const SnapshotOptions& options) {
  Capture::State& state = capture.state();
  const Moment first = moment_at(state, from);
  const Moment last = std::max(first, moment_at(state, to));
  const std::optional<Height> by_index = highest_by_index(state, first, last);
  const Moment moment = by_index ? by_index->moment : highest_by_events(capture, first, last).moment;
  Snapshot snapshot = live_until(state, moment, options);
  snapshot.time = std::max(from, time_of(state, moment));
  return snapshot;
}

Snapshot snapshot(const Capture& capture, const Selection& selection, const SnapshotOptions& options) {
  const Time from = selection.from.value_or(Time{std::numeric_limits<std::int64_t>::min()});
  const Time to = selection.to.value_or(capture.metadata().end);
  switch (selection.view) {
    case View::leaks:
      return selection.whole() ? leaks(capture, options) : leaked_within(capture, from, to, options);
    case View::temporary:
      if (selection.whole()) return temporary(capture, selection.threshold, options);
      return temporary_within(capture, selection.threshold, from, to, options);
    case View::peak:
      break;
  }
  return selection.whole() ? peak(capture, options) : peak_within(capture, from, to, options);
}

}  // namespace memray
