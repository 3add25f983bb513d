#include "tree.h"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <unordered_map>

namespace memray::flamegraph {

namespace {

constexpr std::uint32_t kRootNode = 0;

bool large(std::uint64_t part, std::uint64_t total, double limit) {
  return static_cast<double>(part) >= limit * static_cast<double>(total) && part > 0;
}

bool large(const Sums& part, const Sums& total, double limit) {
  return large(part.bytes, total.bytes, limit) || large(part.count, total.count, limit) ||
         large(part.bytes_before, total.bytes_before, limit) || large(part.count_before, total.count_before, limit);
}

}  // namespace

Sums& Sums::operator+=(const Sums& other) {
  bytes += other.bytes;
  count += other.count;
  bytes_before += other.bytes_before;
  count_before += other.count_before;
  return *this;
}

Sums& Sums::operator-=(const Sums& other) {
  bytes -= other.bytes;
  count -= other.count;
  bytes_before -= other.bytes_before;
  count_before -= other.count_before;
  return *this;
}

TreeBuilder::TreeBuilder() { nodes_.push_back({kRootNode, FrameTable::kRoot, 0, {}}); }

std::uint32_t TreeBuilder::child(std::uint32_t parent, FrameNumber frame, std::uint32_t thread) {
  std::uint32_t& node = child_[std::uint64_t{parent} << 32 | index(frame)];
  if (node == FlatMap::kNone) {
    node = static_cast<std::uint32_t>(nodes_.size());
    nodes_.push_back({parent, frame, thread, {}});
  }
  return node;
}

std::uint32_t TreeBuilder::add(std::span<const FrameNumber> frames, std::uint32_t thread, const Sums& sums) {
  std::uint32_t& top = top_[thread];
  if (top == FlatMap::kNone) {
    top = static_cast<std::uint32_t>(nodes_.size());
    nodes_.push_back({kRootNode, FrameTable::kRoot, thread, {}});
  }

  std::size_t shared = 0;
  if (!last_nodes_.empty() && last_nodes_.front() == top) {
    const auto end = std::mismatch(frames.begin(), frames.end(), last_frames_.begin(), last_frames_.end());
    shared = static_cast<std::size_t>(end.first - frames.begin());
  }
  last_frames_.assign(frames.begin(), frames.end());
  last_nodes_.resize(shared + 1);
  last_nodes_.front() = top;
  for (const FrameNumber frame : frames.subspan(shared)) {
    last_nodes_.push_back(child(last_nodes_.back(), frame, thread));
  }

  nodes_[last_nodes_.back()].sums += sums;
  return last_nodes_.back();
}

namespace {

using Node = TreeBuilder::Node;

bool is_top(const Node& node) { return node.parent == kRootNode && node.frame == FrameTable::kRoot; }

void make_inclusive(std::vector<Node>& nodes) {
  for (std::size_t i = nodes.size(); i-- > 1;) {
    nodes[nodes[i].parent].sums += nodes[i].sums;
  }
}

// The threads' own roots have done their work: what is below them belongs below the root.
void lift_threads(std::vector<Node>& nodes) {
  for (std::size_t i = 1; i < nodes.size(); ++i) {
    if (is_top(nodes[nodes[i].parent])) nodes[i].parent = kRootNode;
  }
}

// What is left of a node's small children, one for each thread (more than one only below the root).
struct Remainder {
  std::uint32_t thread = 0;
  Sums sums;
  std::uint32_t shown_as = 0;
};

// The nodes that are shown. A node is at least as large as any below it, so they form a tree.
struct Selection {
  std::vector<std::uint32_t> first;  // children of i: children[first[i]] up to children[first[i + 1]]
  std::vector<std::uint32_t> children;
  std::unordered_map<std::uint32_t, std::vector<Remainder>> remainders;  // by parent
  std::uint64_t merged = 0;
  double limit = 0;
};

void add_remainder(std::vector<Remainder>& remainders, const Node& node) {
  auto place = std::find_if(remainders.begin(), remainders.end(), [&](auto& r) { return r.thread == node.thread; });
  if (place == remainders.end()) place = remainders.insert(place, {node.thread, {}, 0});
  place->sums += node.sums;
}

// The largest share that a node has of any of the totals. No node has a larger one than its parent.
double share(const Sums& part, const Sums& total) {
  const auto of = [](std::uint64_t a, std::uint64_t b) {
    return b == 0 ? 0 : static_cast<double>(a) / static_cast<double>(b);
  };
  return std::max({of(part.bytes, total.bytes), of(part.count, total.count), of(part.bytes_before, total.bytes_before),
                   of(part.count_before, total.count_before)});
}

// Marks the nodes that are large enough, or, if these are too many, the largest of them. Raises `limit` then.
std::vector<char> large_nodes(const std::vector<Node>& nodes, const Pruning& pruning, double& limit) {
  const Sums totals = pruning.totals.value_or(nodes[kRootNode].sums);
  std::vector<std::pair<double, std::uint32_t>> candidates;  // a parent before its children, also where they are equal
  for (std::uint32_t i = 1; i < nodes.size(); ++i) {
    if (large(nodes[i].sums, totals, limit)) candidates.emplace_back(-share(nodes[i].sums, totals), i);
  }
  if (candidates.size() > pruning.max_nodes) {
    const auto last = candidates.begin() + static_cast<std::ptrdiff_t>(pruning.max_nodes);
    std::nth_element(candidates.begin(), last, candidates.end());
    limit = std::max(limit, -last->first);
    candidates.erase(last, candidates.end());
  }
  std::vector<char> kept(nodes.size());
  kept[kRootNode] = 1;
  for (const auto& candidate : candidates) kept[candidate.second] = 1;
  return kept;
}

Selection select(const std::vector<Node>& nodes, const Pruning& pruning) {
  Selection selection;
  selection.limit = pruning.limit;
  const std::vector<char> kept = large_nodes(nodes, pruning, selection.limit);

  std::vector<std::uint32_t>& first = selection.first;
  first.assign(nodes.size() + 2, 0);
  for (std::size_t i = 1; i < nodes.size(); ++i) {
    const Node& node = nodes[i];
    if (is_top(node)) continue;
    if (kept[i]) {
      ++first[node.parent + 2];
    } else {
      ++selection.merged;
      if (kept[node.parent]) add_remainder(selection.remainders[node.parent], node);
    }
  }
  std::partial_sum(first.begin(), first.end(), first.begin());
  selection.children.resize(first.back());
  for (std::uint32_t i = 1; i < nodes.size(); ++i) {
    if (!is_top(nodes[i]) && kept[i]) selection.children[first[nodes[i].parent + 1]++] = i;
  }
  return selection;
}

void sort_children(Selection& selection, const std::vector<Node>& nodes, const FrameTable& frames) {
  const auto before = [&](std::uint32_t a, std::uint32_t b) {
    const DisplayFrame& fa = frames[nodes[a].frame];
    const DisplayFrame& fb = frames[nodes[b].frame];
    const Sums& sa = nodes[a].sums;
    const Sums& sb = nodes[b].sums;
    return std::tie(sb.bytes, sb.count, fa.function, fa.file, fa.line, nodes[a].thread) <
           std::tie(sa.bytes, sa.count, fb.function, fb.file, fb.line, nodes[b].thread);
  };
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    std::sort(selection.children.begin() + selection.first[i], selection.children.begin() + selection.first[i + 1],
              before);
  }
}

constexpr std::uint32_t kNowhere = 0xffff'ffff;

// Nodes that are not shown are shown as what their parent is shown as, if that is a remainder, else as the parent's
// remainder of their thread.
void place_hidden(Tree& tree, const std::vector<Node>& nodes, const Selection& selection) {
  for (std::uint32_t i = 1; i < nodes.size(); ++i) {
    if (tree.shown_as[i] != kNowhere) continue;
    const std::uint32_t parent = nodes[i].parent;
    tree.shown_as[i] = tree.shown_as[parent];
    const auto remainders = selection.remainders.find(parent);
    if (is_top(nodes[i]) || remainders == selection.remainders.end()) continue;
    for (const Remainder& r : remainders->second) {
      if (r.thread == nodes[i].thread) tree.shown_as[i] = r.shown_as;
    }
  }
}

}  // namespace

Tree TreeBuilder::finish(const FrameTable& frames, const Pruning& pruning) && {
  make_inclusive(nodes_);
  lift_threads(nodes_);
  Selection selection = select(nodes_, pruning);
  sort_children(selection, nodes_, frames);

  Tree tree;
  tree.merged = selection.merged;
  tree.limit = selection.limit;
  struct Pending {
    std::uint32_t node;
    std::uint32_t depth;
    bool remainder;  // not the node itself, but what is merged below it
  };
  std::vector<Pending> pending = {{kRootNode, 0, false}};
  tree.shown_as.assign(nodes_.size(), kNowhere);
  while (!pending.empty()) {
    const auto [node, depth, remainder] = pending.back();
    pending.pop_back();
    if (remainder) {
      for (Remainder& r : selection.remainders[node]) {
        r.shown_as = static_cast<std::uint32_t>(tree.nodes.size());
        tree.nodes.push_back({depth, FrameTable::kMerged, r.thread, r.sums});
      }
      continue;
    }
    tree.shown_as[node] = static_cast<std::uint32_t>(tree.nodes.size());
    tree.nodes.push_back({depth, nodes_[node].frame, nodes_[node].thread, nodes_[node].sums});
    if (selection.remainders.contains(node)) pending.push_back({node, depth + 1, true});
    for (std::uint32_t i = selection.first[node + 1]; i-- > selection.first[node];) {
      pending.push_back({selection.children[i], depth + 1, false});
    }
  }
  place_hidden(tree, nodes_, selection);
  return tree;
}

}  // namespace memray::flamegraph
