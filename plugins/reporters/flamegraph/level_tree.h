// The same tree, for who cannot wait: a program with hundreds of thousands of deep stacks has tens of millions of
// nodes, nearly all of them too small to be shown, and a page that follows a recording needs the tree once a second.
//
// A node that is too small hides all that is below it. So stacks are added down to some depth at first; only those
// whose node there is large enough to be shown go on, to twice the depth, and so forth. Nothing that would be shown is
// missed, and nodes that hold nothing to be seen are mostly never made. Tree::merged counts those that were.
#pragma once

#include "tree.h"

#include <functional>

namespace memray::flamegraph {

struct WeightedStacks {
  std::vector<Sums> sums;
  // Sets `frames`, the one nearest to the root first.
  std::function<void(std::size_t stack, std::vector<FrameNumber>& frames)> frames_of;
};

Tree tree_by_levels(const WeightedStacks& stacks, const FrameTable& frames, const Pruning& pruning,
                    std::size_t first_depth = 12);

}  // namespace memray::flamegraph
