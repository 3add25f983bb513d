// Which frames become boxes, and in which order.
//
// A node is a run of frames that hold the same, so all of them are large enough to be shown or none is. Sums are added
// up node by node; only large nodes are taken apart into boxes, one a frame, and these are few: there is room for ten
// thousand boxes of 0.01 % beside each other. Everything that follows is done with boxes.

#include "layout.h"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <unordered_map>

namespace memray::flamegraph {

namespace {

using Node = TreeBuilder::Node;

constexpr std::uint32_t kNowhere = 0xffff'ffff;

bool large(std::uint64_t part, std::uint64_t total, double limit) {
  return static_cast<double>(part) >= limit * static_cast<double>(total) && part > 0;
}

bool large(const Sums& part, const Sums& total, double limit) {
  return large(part.bytes, total.bytes, limit) || large(part.count, total.count, limit) ||
         large(part.bytes_before, total.bytes_before, limit) || large(part.count_before, total.count_before, limit);
}

// The largest share that a box has of any of the totals. No box has a larger one than its parent.
double share(const Sums& part, const Sums& total) {
  const auto of = [](std::uint64_t a, std::uint64_t b) {
    return b == 0 ? 0 : static_cast<double>(a) / static_cast<double>(b);
  };
  return std::max({of(part.bytes, total.bytes), of(part.count, total.count), of(part.bytes_before, total.bytes_before),
                   of(part.count_before, total.count_before)});
}

std::vector<std::uint32_t> parents_first(const std::vector<Node>& nodes) {
  std::vector<std::uint32_t> child(nodes.size(), kNowhere), sibling(nodes.size(), kNowhere);
  for (auto i = static_cast<std::uint32_t>(nodes.size() - 1); i > kRootNode; --i) {
    sibling[i] = child[nodes[i].parent];
    child[nodes[i].parent] = i;
  }
  std::vector<std::uint32_t> order;
  order.reserve(nodes.size());
  order.push_back(kRootNode);
  for (std::size_t i = 0; i < order.size(); ++i) {
    for (std::uint32_t c = child[order[i]]; c != kNowhere; c = sibling[c]) order.push_back(c);
  }
  return order;
}

void make_inclusive(std::vector<Node>& nodes, std::span<const std::uint32_t> order) {
  for (std::size_t i = order.size(); i-- > 1;) {
    const Node& node = nodes[order[i]];
    nodes[node.parent].sums += node.sums;
  }
}

struct Box {
  std::uint32_t parent;
  FrameNumber frame;
  std::uint32_t thread;
  Sums sums;
};

// What is left of a box's small children, one for each thread (more than one only below the root).
struct Remainder {
  std::uint32_t thread = 0;
  Sums sums;
  std::uint32_t shown_as = 0;
};

struct Boxes {
  std::vector<Box> all;             // parents before children
  std::vector<std::uint32_t> last;  // by node: the box at its end, or kNowhere
  std::vector<char> kept;
  std::unordered_map<std::uint32_t, std::vector<Remainder>> remainders;  // by parent
  std::uint64_t merged = 0;
  double limit = 0;

  void merge(std::uint32_t parent, std::uint32_t thread, const Sums& sums) {
    std::vector<Remainder>& here = remainders[parent];
    auto place = std::ranges::lower_bound(here, thread, {}, &Remainder::thread);
    if (place == here.end() || place->thread != thread) place = here.insert(place, {thread, {}, 0});
    place->sums += sums;
  }
};

// The threads' own tops have done their work: what is below them belongs below the root.
Boxes large_boxes(const std::vector<Node>& nodes, std::span<const std::uint32_t> order,
                  std::span<const FrameNumber> runs, const Sums& totals, double limit) {
  Boxes boxes;
  boxes.limit = limit;
  boxes.last.assign(nodes.size(), kNowhere);
  boxes.last[kRootNode] = 0;
  boxes.all.push_back({0, FrameTable::kRoot, 0, nodes[kRootNode].sums});
  for (const std::uint32_t i : order.subspan(1)) {
    const Node& node = nodes[i];
    std::uint32_t above = boxes.last[node.parent];
    const bool fits = node.length == 0 || large(node.sums, totals, limit);
    if (above == kNowhere || !fits) {
      boxes.merged += node.length;
      if (above != kNowhere) boxes.merge(above, node.thread, node.sums);
      continue;
    }
    for (const FrameNumber frame : runs.subspan(node.begin, node.length)) {
      boxes.all.push_back({above, frame, node.thread, node.sums});
      above = static_cast<std::uint32_t>(boxes.all.size() - 1);
    }
    boxes.last[i] = above;
  }
  return boxes;
}

// If there are too many, only the largest stay.
void keep_largest(Boxes& boxes, const Sums& totals, std::size_t most) {
  const std::vector<Box>& all = boxes.all;
  boxes.kept.assign(all.size(), 1);
  if (all.size() <= most) return;
  std::vector<std::pair<double, std::uint32_t>> by_share;  // a parent before its children, also where they are equal
  for (std::uint32_t i = 0; i < all.size(); ++i) by_share.emplace_back(-share(all[i].sums, totals), i);
  const auto last = by_share.begin() + static_cast<std::ptrdiff_t>(most);
  std::nth_element(by_share.begin(), last, by_share.end());
  boxes.limit = std::max(boxes.limit, -last->first);
  for (auto box = last; box != by_share.end(); ++box) boxes.kept[box->second] = 0;
  boxes.kept[kRootNode] = 1;
  for (std::uint32_t i = 0; i < all.size(); ++i) {
    if (boxes.kept[i]) continue;
    ++boxes.merged;
    boxes.remainders.erase(i);
    if (boxes.kept[all[i].parent]) boxes.merge(all[i].parent, all[i].thread, all[i].sums);
  }
}

struct Children {
  std::vector<std::uint32_t> first;  // those of i: all[first[i]] up to all[first[i + 1]]
  std::vector<std::uint32_t> all;
};

Children children_in_order(const Boxes& boxes, const FrameTable& frames) {
  Children children;
  std::vector<std::uint32_t>& first = children.first;
  first.assign(boxes.all.size() + 2, 0);
  for (std::uint32_t i = 1; i < boxes.all.size(); ++i) first[boxes.all[i].parent + 2] += boxes.kept[i] != 0;
  std::partial_sum(first.begin(), first.end(), first.begin());
  children.all.resize(first.back());
  for (std::uint32_t i = 1; i < boxes.all.size(); ++i) {
    if (boxes.kept[i]) children.all[first[boxes.all[i].parent + 1]++] = i;
  }
  const auto before = [&](std::uint32_t i, std::uint32_t j) {
    const Box& a = boxes.all[i];
    const Box& b = boxes.all[j];
    const DisplayFrame& fa = frames[a.frame];
    const DisplayFrame& fb = frames[b.frame];
    return std::tie(b.sums.bytes, b.sums.count, fa.function, fa.file, fa.line, a.thread) <
           std::tie(a.sums.bytes, a.sums.count, fb.function, fb.file, fb.line, b.thread);
  };
  for (std::size_t i = 0; i < boxes.all.size(); ++i)
    std::sort(children.all.begin() + first[i], children.all.begin() + first[i + 1], before);
  return children;
}

// Puts the boxes and remainders down in preorder. Returns where each box went.
std::vector<std::uint32_t> put_down(Boxes& boxes, const Children& children, Tree& tree) {
  std::vector<std::uint32_t> places(boxes.all.size(), kNowhere);
  struct Pending {
    std::uint32_t box;
    std::uint32_t depth;
    bool remainder;  // not the box itself, but what is merged below it
  };
  std::vector<Pending> pending = {{kRootNode, 0, false}};
  while (!pending.empty()) {
    const auto [box, depth, remainder] = pending.back();
    pending.pop_back();
    if (remainder) {
      for (Remainder& r : boxes.remainders[box]) {
        r.shown_as = static_cast<std::uint32_t>(tree.nodes.size());
        tree.nodes.push_back({depth, FrameTable::kMerged, r.thread, r.sums});
      }
      continue;
    }
    places[box] = static_cast<std::uint32_t>(tree.nodes.size());
    tree.nodes.push_back({depth, boxes.all[box].frame, boxes.all[box].thread, boxes.all[box].sums});
    if (boxes.remainders.contains(box)) pending.push_back({box, depth + 1, true});
    for (std::uint32_t i = children.first[box + 1]; i-- > children.first[box];)
      pending.push_back({children.all[i], depth + 1, false});
  }
  return places;
}

// What has no place of its own has that of the remainder below `parent`, if that is shown, or else its parent's.
std::uint32_t place_of_hidden(const Boxes& boxes, std::uint32_t parent, std::uint32_t thread, std::uint32_t parents) {
  if (parent == kNowhere || !boxes.kept[parent]) return parents;
  for (const Remainder& r : boxes.remainders.at(parent)) {
    if (r.thread == thread) return r.shown_as;
  }
  return parents;
}

void place_nodes(const Boxes& boxes, const std::vector<Node>& nodes, std::span<const std::uint32_t> order,
                 std::vector<std::uint32_t> places, Tree& tree) {
  for (std::size_t i = 1; i < places.size(); ++i) {
    const Box& box = boxes.all[i];
    if (!boxes.kept[i]) places[i] = place_of_hidden(boxes, box.parent, box.thread, places[box.parent]);
  }
  tree.shown_as.resize(nodes.size());
  for (const std::uint32_t i : order) {
    const Node& node = nodes[i];
    const std::uint32_t box = boxes.last[i];
    tree.shown_as[i] = box != kNowhere
                           ? places[box]
                           : place_of_hidden(boxes, boxes.last[node.parent], node.thread, tree.shown_as[node.parent]);
  }
}

}  // namespace

Tree lay_out(std::vector<Node> nodes, std::span<const FrameNumber> runs, const FrameTable& frames,
             const Pruning& pruning) {
  const std::vector<std::uint32_t> order = parents_first(nodes);
  make_inclusive(nodes, order);
  const Sums totals = pruning.totals.value_or(nodes[kRootNode].sums);
  Boxes boxes = large_boxes(nodes, order, runs, totals, pruning.limit);
  keep_largest(boxes, totals, pruning.max_nodes);

  Tree tree;
  tree.merged = boxes.merged;
  tree.limit = boxes.limit;
  const std::vector<std::uint32_t> places = put_down(boxes, children_in_order(boxes, frames), tree);
  place_nodes(boxes, nodes, order, places, tree);
  return tree;
}

}  // namespace memray::flamegraph
