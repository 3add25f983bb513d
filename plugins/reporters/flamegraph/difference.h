// Two snapshots as one flame graph: what grew and what shrank.
//
// Nodes are functions, not lines: code moves between two recordings. What counts as the same stack is for the query to
// say.
#pragma once

#include "html_common/options.h"

#include <memray/query.h>

#include <iosfwd>

namespace memray::flamegraph {

struct DifferenceSide {
  const Capture& capture;
  const Snapshot& snapshot;
};

void write_difference(std::ostream& out, const DifferenceSide& before, const DifferenceSide& after,
                      const Selection& selection, const html::PageOptions& options);

}  // namespace memray::flamegraph
