// What was never freed. The end of a process frees nothing here: what it had at its exit is what it leaked. An exec is
// different: it throws the old image away as a whole, on purpose, so what that image held is neither live nor leaked.

#include "query/grouping.h"

namespace memray {

Snapshot leaks(const Capture& capture, const SnapshotOptions& options) {
  const Definitions& definitions = capture.definitions();
  Roster roster(definitions);
  Pieces pieces;
  std::vector<Holding> live(definitions.sites());

  capture.events(Columns::none, [&](std::span<const Event> events) {
    for (const Event& event : events) {
      switch (event.kind) {
        case Event::Kind::allocation:
          roster.allocated(event.site);
          live[index(event.site)].bytes += event.size;
          live[index(event.site)].count += 1;
          break;
        case Event::Kind::deallocation:
          live[index(event.site)].drop({event.size, pieces.left(event)});
          break;
        case Event::Kind::partial_deallocation:
          live[index(event.site)].drop({event.size, 0});
          live[index(event.site)].count += pieces.change(event);
          break;
        case Event::Kind::process_exec:
          for (const SiteId site : roster.of_process(event.index)) live[index(site)] = {};
          break;
        case Event::Kind::process_exit:
        case Event::Kind::unknown_deallocation:
          break;
      }
    }
    return true;
  });

  Snapshot snapshot = group_sites(definitions, roster.order(), live, options);
  snapshot.time = capture.metadata().end;
  return snapshot;
}

}  // namespace memray
