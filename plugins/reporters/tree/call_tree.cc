#include "call_tree.h"

#include <algorithm>
#include <numeric>

namespace memray::tree {

namespace {

bool same(const DisplayFrame& a, const DisplayFrame& b) {
  return a.line == b.line && a.kind == b.kind && a.function == b.function && a.file == b.file;
}

}  // namespace

CallTree::CallTree(const Capture& capture, const Snapshot& snapshot, std::size_t biggest) {
  nodes_.emplace_back().frame.function = "<root>";
  std::vector<std::size_t> order(snapshot.groups.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::greater<>(), [&](std::size_t i) { return snapshot.groups[i].bytes; });

  std::uint64_t rest_bytes = 0, rest_count = 0;
  for (std::size_t place = 0; place < order.size(); ++place) {
    const Group& group = snapshot.groups[order[place]];
    if (place < biggest) {
      add(display_stack(capture, group), group);
    } else {
      ++rest_stacks_;
      rest_bytes += group.bytes;
      rest_count += group.count;
    }
  }
  if (rest_stacks_ != 0) add_rest(rest_bytes, rest_count);
  for (Node& node : nodes_) {
    std::ranges::stable_sort(node.children, std::greater<>(), [&](NodeId child) { return nodes_[child].bytes; });
  }
}

NodeId CallTree::child(NodeId parent, const DisplayFrame& frame) {
  for (const NodeId known : nodes_[parent].children) {
    if (same(nodes_[known].frame, frame)) return known;
  }
  const auto id = static_cast<NodeId>(nodes_.size());
  nodes_[parent].children.push_back(id);
  Node& node = nodes_.emplace_back();
  node.frame = frame;
  node.parent = parent;
  const FrameRole role = role_of(frame);
  node.dull = role == FrameRole::import_system || role == FrameRole::launcher;
  node.importing = role == FrameRole::import_system || nodes_[parent].importing;
  return id;
}

void CallTree::add(const std::vector<DisplayFrame>& stack, const Group& group) {
  NodeId at = kRoot;
  const auto count_in = [&] {
    nodes_[at].bytes += group.bytes;
    nodes_[at].count += group.count;
  };
  count_in();
  for (auto frame = stack.rbegin(); frame != stack.rend(); ++frame) {
    if (role_of(*frame) == FrameRole::interpreter) continue;
    at = child(at, *frame);
    count_in();
  }
  nodes_[at].own_bytes += group.bytes;
}

void CallTree::add_rest(std::uint64_t bytes, std::uint64_t count) {
  nodes_[kRoot].children.push_back(static_cast<NodeId>(nodes_.size()));
  nodes_[kRoot].bytes += bytes;
  nodes_[kRoot].count += count;
  Node& rest = nodes_.emplace_back();
  rest.rest = true;
  rest.bytes = rest.own_bytes = bytes;
  rest.count = count;
}

}  // namespace memray::tree
