// From what sites hold to what stacks hold: the ground that the snapshot queries (peak, leaks) share.
#pragma once

#include <memray/query.h>

#include <span>

#include "capture/live_sites.h"

namespace memray {

// Every group that the sites of a capture fall into, and which one each falls into. Sites are numbered in the order in
// which they first allocated, so that is the order of the groups.
struct SiteGroups {
  std::vector<Group> groups;  // of 0 bytes
  std::vector<std::uint32_t> of_site;
};
SiteGroups groups_of_sites(const Definitions& definitions, const SnapshotOptions& options);

// The snapshot of sites that hold what `held` says, by number. Where sizes are to be split, groups of sites of varying
// size come last, by size; what `classes` does not know of them stays in one group of varying sizes.
Snapshot group_sites(const Definitions& definitions, std::span<const SiteTotal> held, const SnapshotOptions& options,
                     const ClassTotals& classes = {});
inline Snapshot group_sites(const Definitions& definitions, const Held& held, const SnapshotOptions& options) {
  return group_sites(definitions, held.sites, options, held.classes);
}

}  // namespace memray
