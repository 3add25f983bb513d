// What was never freed. The end of a process frees nothing here: what it had at its exit is what it leaked. An exec is
// different: it throws the old image away as a whole, on purpose, so what that image held is neither live nor leaked.

#include <algorithm>

#include "capture/capture_state.h"
#include "query/grouping.h"

namespace memray {
namespace {

SiteTotals aggregated_leaks(const Capture::State& state) {
  if (!state.aggregates) return {};
  SiteTotals totals = state.aggregates->live;
  const SiteTotals& kept = state.aggregates->kept;
  totals.resize(std::max(totals.size(), kept.size()));
  for (std::size_t i = 0; i < kept.size(); ++i) {
    totals[i].bytes += kept[i].bytes;
    totals[i].count += kept[i].count;
  }
  return totals;
}

SiteTotals leaked_sites(Capture::State& state) {
  using format::EventDecoder;
  if (state.metadata.aggregated) return aggregated_leaks(state);
  LiveSites live(state.definitions, true);
  const auto apply = [&](const format::EventsSummary& block, const format::EventSections& sections) {
    const bool sound = live.apply(block, sections.events.bytes(), block.events);
    return sound ? EventDecoder::Result::done : EventDecoder::Result::malformed;
  };
  state.for_each_events_block(Columns::none, apply);
  return live.totals();
}

}  // namespace

Snapshot leaks(const Capture& capture, const SnapshotOptions& options) {
  Snapshot snapshot = group_sites(capture.definitions(), leaked_sites(capture.state()), options);
  snapshot.time = capture.metadata().end;
  return snapshot;
}

}  // namespace memray
