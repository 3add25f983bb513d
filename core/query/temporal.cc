#include <algorithm>

#include "query/grouping.h"
#include "query/temporal_passes.h"
#include "query/timeline.h"

namespace memray {

Temporal temporal(const Capture& capture, TemporalKind kind, std::size_t max_slots, const SnapshotOptions& options) {
  Temporal temporal;
  temporal.slots = slot_borders(capture, max_slots);
  SiteGroups sites = groups_of_sites(capture.definitions(), {.merge_threads = options.merge_threads});
  for (const Group& group : sites.groups) temporal.groups.push_back({group, {}});
  if (kind == TemporalKind::leaks)
    add_lifetimes(capture, sites.of_site, temporal);
  else
    add_high_water(capture, sites.of_site, temporal);
  std::erase_if(temporal.groups, [](const TemporalGroup& group) { return group.intervals.empty(); });
  return temporal;
}

// Moments are after the events of their time, so an event lies in the slot before the first border that is not earlier.
bool SlotClock::advance(Time time) {
  if (next_ == borders_.size() || borders_[next_] >= time) return false;
  ++next_;
  return true;
}

}  // namespace memray
