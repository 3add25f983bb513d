// From what sites hold to what stacks hold: the ground that the snapshot queries (peak, leaks) share.
#pragma once

#include <memray/query.h>

#include <span>

#include "capture/live_sites.h"

namespace memray {

// The snapshot of sites that hold what `held` says, by number. Sites are numbered in the order in which they first
// allocated, so that is the order of the groups.
Snapshot group_sites(const Definitions& definitions, std::span<const SiteTotal> held, const SnapshotOptions& options);

}  // namespace memray
