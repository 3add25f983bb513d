// From the builder's nodes to the boxes of a page: see tree.h.
#pragma once

#include "tree.h"

namespace memray::flamegraph {

constexpr std::uint32_t kRootNode = 0;

Tree lay_out(std::vector<TreeBuilder::Node> nodes, std::span<const FrameNumber> runs, const FrameTable& frames,
             const Pruning& pruning);

}  // namespace memray::flamegraph
