// Live sets over time, for a page that shows any of them.
//
// An interval says: from slot a to slot d, this node of the tree held so many bytes more. With the intervals of all
// nodes a page finds what was live in any slot by adding up those that cover it.
//
// Most nodes matter at some time and not at others. Which to keep is decided by the largest share that a node may have
// had of any slot: the sum of the largest shares of its groups, which is never less. And there may be more intervals
// than a page can hold: then slots are joined in pairs until there are few enough.
#pragma once

#include "stacks.h"

namespace memray::flamegraph {

struct NodeInterval {
  std::uint32_t node = 0;
  std::uint32_t allocated = 0;    // slot
  std::uint32_t deallocated = 0;  // slot; the number of slots for never
  std::uint64_t bytes = 0;
  std::int64_t count = 0;
};

struct TemporalTree {
  Tree tree;  // its sums are shares and of no interest
  std::vector<NodeInterval> intervals;
};

// Slot i ends at borders[i]; the last slot ends with the recording.
struct TemporalSlots {
  std::vector<Time> borders;
  std::vector<std::uint64_t> high_water;  // by slot, one more than borders
};

struct TemporalTrees {
  TemporalKind kind = TemporalKind::high_water;
  TemporalSlots slots;
  TemporalTree all;
  std::optional<TemporalTree> without_imports;
  std::vector<std::string> threads;
};

TemporalTrees temporal_trees(const Capture& capture, const Temporal& temporal, TemporalKind kind, FrameTable& frames,
                             bool inverted, bool split, std::size_t max_intervals = 120'000);

// Joins slots 0 and 1, 2 and 3, ... An interval of high water keeps what it holds at the higher moment of the two.
void halve(TemporalSlots& slots, TemporalKind kind, const std::vector<std::vector<NodeInterval>*>& trees);

// Adds up those of the same node and slots, in order.
void tidy(std::vector<NodeInterval>& intervals);

}  // namespace memray::flamegraph
