// From stacks to the tree that a flame graph draws.
//
// Two steps. TreeBuilder collects every stack in a prefix tree whose edges are runs of frames: where no stack ends and
// none branches off there is no node, so a million stacks make less than two million nodes, however deep they are. An
// edge is found by its first frame, in one hash table. Stacks that follow one another mostly share their outer frames;
// only what differs is looked up.
//
// Then `finish` lays the nodes out for the page: in preorder, the largest sibling first, without those that nobody
// could see. A node narrower than a tenth of a pixel on the widest screen is not worth a line of the report; siblings
// below the limit become one "(merged)" node, which keeps their sums, so that every node still equals its own
// allocations and its children's. Of too many nodes even so the largest are kept, which bounds the size of the page.
#pragma once

#include "html_common/flat_map.h"
#include "html_common/frame_table.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace memray::flamegraph {

using html::FlatMap;
using html::FrameNumber;
using html::FrameTable;

struct Sums {
  std::uint64_t bytes = 0;
  std::uint64_t count = 0;  // allocations
  // What to compare with; 0 where a report is about one snapshot.
  std::uint64_t bytes_before = 0;
  std::uint64_t count_before = 0;

  Sums& operator+=(const Sums& other);
  Sums& operator-=(const Sums& other);
  friend bool operator==(const Sums&, const Sums&) = default;
};

// Nodes in preorder; node 0 is the root.
struct Tree {
  struct Node {
    std::uint32_t depth = 0;
    FrameNumber frame{};
    std::uint32_t thread = 0;
    Sums sums;  // inclusive
  };
  std::vector<Node> nodes;

  std::uint64_t merged = 0;  // nodes that "(merged)" ones stand for
  double limit = 0;          // share of the total below which a node was merged
  // Where the end of each of the builder's nodes went: to itself, or to the "(merged)" one that stands for it.
  std::vector<std::uint32_t> shown_as;
};

struct Pruning {
  double limit = 1e-4;  // of every total
  std::size_t max_nodes = 60'000;
  std::optional<Sums> totals = {};  // where they are not the root's
};

class TreeBuilder {
 public:
  TreeBuilder();

  // One stack, the frame nearest to the root first. Subtrees of different threads are kept apart. Returns the number of
  // the node where it ends.
  std::uint32_t add(std::span<const FrameNumber> frames, std::uint32_t thread, const Sums& sums);

  // More of a stack that ends at a node.
  void add_to(std::uint32_t node, const Sums& sums) { nodes_[node].sums += sums; }

  // Called once, at the end.
  Tree finish(const FrameTable& frames, const Pruning& pruning = {}) &&;

  // A run of frames from the end of the parent's to its own. The root has none, and so have the nodes below it that
  // stand for it in one thread each.
  struct Node {
    std::uint32_t parent;
    std::uint32_t thread;
    std::uint64_t begin;  // of the run, in `runs_`
    std::uint32_t length;
    Sums sums;  // of stacks that end at its end; inclusive while finishing
  };

 private:
  struct Step {
    std::uint32_t node;
    std::size_t end;  // how many frames of the stack lead to the end of the node
  };

  std::uint32_t top_of(std::uint32_t thread);
  void go_back(std::size_t depth);
  void go_down(std::span<const FrameNumber> frames, std::uint32_t thread);
  std::uint32_t append(std::uint32_t parent, std::uint32_t thread, std::span<const FrameNumber> run);
  std::uint32_t split(std::uint32_t node, std::size_t length);
  std::uint32_t& edge(std::uint32_t parent, FrameNumber first) {
    return edges_[std::uint64_t{parent} << 32 | index(first)];
  }

  std::vector<Node> nodes_;
  std::vector<FrameNumber> runs_;
  FlatMap edges_;  // (parent, first frame of the run) -> node
  FlatMap top_;    // thread -> a node that stands for the root in this thread
  std::vector<FrameNumber> last_frames_;
  std::vector<Step> last_steps_;  // [0] is the thread's top
};

}  // namespace memray::flamegraph
