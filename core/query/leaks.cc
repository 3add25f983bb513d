// What was never freed. The end of a process frees nothing here: what it had at its exit is what it leaked. An exec is
// different: it throws the old image away as a whole, on purpose, so what that image held is neither live nor leaked.

#include "capture/capture_state.h"
#include "query/grouping.h"

namespace memray {

Snapshot leaks(const Capture& capture, const SnapshotOptions& options) {
  using format::EventDecoder;
  Capture::State& state = capture.state();
  LiveSites live(state.definitions, true);
  const auto apply = [&](const format::EventsSummary& block, const format::EventSections& sections) {
    const bool sound = live.apply(block, sections.events.bytes(), block.events);
    return sound ? EventDecoder::Result::done : EventDecoder::Result::malformed;
  };
  state.for_each_events_block(Columns::none, apply);
  Snapshot snapshot = group_sites(state.definitions, live.totals(), options);
  snapshot.time = capture.metadata().end;
  return snapshot;
}

}  // namespace memray
