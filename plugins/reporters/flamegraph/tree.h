// From stacks to the tree that a flame graph draws.
//
// Two steps. TreeBuilder collects every stack in a prefix tree of flat arrays: a node is its parent, its frame and its
// sums, and an edge is one entry of a hash table, so a million stacks of dozens of frames take seconds and tens of
// megabytes. Stacks that follow one another mostly share their outer frames; only what differs is looked up.
//
// Then `finish` lays the nodes out for the page: in preorder, the largest sibling first, without those that nobody
// could see. A node narrower than a tenth of a pixel on the widest screen is not worth a line of the report; siblings
// below the limit become one "(merged)" node, which keeps their sums, so that every node still equals its own
// allocations and its children's. The limit rises if a capture has too many nodes even so, which bounds the size of the
// page.
#pragma once

#include "frame_table.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace memray::flamegraph {

// Nodes in preorder; node 0 is the root.
struct Tree {
  std::vector<std::uint32_t> depth;
  std::vector<FrameNumber> frame;
  std::vector<std::uint32_t> thread;
  std::vector<std::uint64_t> bytes;  // inclusive
  std::vector<std::uint64_t> count;  // allocations, inclusive

  std::uint64_t merged = 0;  // nodes that "(merged)" ones stand for
  double limit = 0;          // share of the total below which a node was merged
  std::size_t size() const { return depth.size(); }
};

struct Pruning {
  double limit = 1e-4;  // of both total bytes and total allocations
  std::size_t max_nodes = 150'000;
};

class TreeBuilder {
 public:
  TreeBuilder();

  // One stack, the frame nearest to the root first. Subtrees of different threads are kept apart.
  void add(std::span<const FrameNumber> frames, std::uint32_t thread, std::uint64_t bytes, std::uint64_t count);

  // Called once, at the end.
  Tree finish(const FrameTable& frames, const Pruning& pruning = {}) &&;

  struct Node {
    std::uint32_t parent;
    FrameNumber frame;
    std::uint32_t thread;
    std::uint64_t bytes;  // of stacks that end here; inclusive while finishing
    std::uint64_t count;
  };

 private:
  std::uint32_t child(std::uint32_t parent, FrameNumber frame, std::uint32_t thread);

  std::vector<Node> nodes_;  // parents before children
  FlatMap child_;            // (parent, frame) -> node
  FlatMap top_;              // thread -> a node that stands for the root in this thread
  std::vector<FrameNumber> last_frames_;
  std::vector<std::uint32_t> last_nodes_;  // [0] is the thread's root
};

}  // namespace memray::flamegraph
