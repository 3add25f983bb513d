// The stacks of a snapshot as a tree of calls, the outermost frame nearest to the root.
//
// Only the largest stacks make nodes; all others together are one leaf below the root, so the root always has
// everything. The interpreter's own C functions are left out, and what they allocated stays with their caller.
#pragma once

#include <memray/query.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace memray::tree {

using NodeId = std::uint32_t;
inline constexpr NodeId kRoot = 0;

struct Node {
  DisplayFrame frame;
  NodeId parent = kRoot;
  std::vector<NodeId> children;  // most bytes first
  std::uint64_t bytes = 0;       // of this frame and all that it called
  std::uint64_t count = 0;
  std::uint64_t own_bytes = 0;
  bool dull = false;       // a frame of imports or of starting a script
  bool importing = false;  // a frame of the import system, or below one
  bool rest = false;       // the leaf for smaller stacks
};

class CallTree {
 public:
  CallTree(const Capture& capture, const Snapshot& snapshot, std::size_t biggest);

  const Node& operator[](NodeId id) const { return nodes_[id]; }
  const Node& root() const { return nodes_[kRoot]; }
  std::size_t size() const { return nodes_.size(); }

  // Stacks that have no nodes of their own.
  std::size_t rest_stacks() const { return rest_stacks_; }

 private:
  NodeId child(NodeId parent, const DisplayFrame& frame);
  void add(const std::vector<DisplayFrame>& stack, const Group& group);
  void add_rest(std::uint64_t bytes, std::uint64_t count);

  std::vector<Node> nodes_;
  std::size_t rest_stacks_ = 0;
};

}  // namespace memray::tree
