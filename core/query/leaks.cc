// What was never freed. The end of a process frees nothing here: what it had at its exit is what it leaked. An exec is
// different: it throws the old image away as a whole, on purpose, so what that image held is neither live nor leaked.

#include <algorithm>

#include "capture/capture_state.h"
#include "query/grouping.h"

namespace memray {
namespace {

void add(SiteTotals& totals, const SiteTotals& others) {
  totals.resize(std::max(totals.size(), others.size()));
  for (std::size_t i = 0; i < others.size(); ++i) {
    totals[i].bytes += others[i].bytes;
    totals[i].count += others[i].count;
  }
}

Held leaked(Capture::State& state, bool split_sizes) {
  using format::EventDecoder;
  LiveSites live(state.definitions, true, split_sizes);
  const auto apply = [&](const format::EventsSummary& block, const format::EventSections& sections) {
    const bool sound = live.apply(block, sections.events.bytes(), block.events);
    return sound ? EventDecoder::Result::done : EventDecoder::Result::malformed;
  };
  if (!state.metadata.aggregated) state.for_each_events_block(Columns::none, apply);
  Held held = live.held();
  if (state.aggregates) {
    add(held.sites, state.aggregates->live);
    add(held.sites, state.aggregates->kept);
  }
  return held;
}

}  // namespace

Snapshot leaks(const Capture& capture, const SnapshotOptions& options) {
  Snapshot snapshot = group_sites(capture.definitions(), leaked(capture.state(), options.split_sizes), options);
  snapshot.time = capture.metadata().end;
  return snapshot;
}

}  // namespace memray
