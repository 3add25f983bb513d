#include "level_tree.h"

#include <numeric>
#include <utility>

namespace memray::flamegraph {
namespace {

bool hidden(const Sums& part, const Sums& total, double limit) {
  const auto small = [&](std::uint64_t of, std::uint64_t whole) {
    return static_cast<double>(of) < limit * static_cast<double>(whole);
  };
  return small(part.bytes, total.bytes) && small(part.count, total.count);
}

}  // namespace

Tree tree_by_levels(const WeightedStacks& stacks, const FrameTable& frames, const Pruning& pruning,
                    std::size_t first_depth) {
  const Sums total = std::accumulate(stacks.sums.begin(), stacks.sums.end(), Sums{},
                                     [](Sums sum, const Sums& more) { return sum += more; });
  TreeBuilder tree;
  std::vector<std::size_t> active(stacks.sums.size());
  std::iota(active.begin(), active.end(), std::size_t{0});
  std::vector<FrameNumber> path;
  for (std::size_t depth = first_depth; !active.empty(); depth *= 2) {
    std::vector<std::pair<std::size_t, std::uint32_t>> longer;  // stack, its node at this depth
    std::vector<Sums> below;                                    // by node
    for (const std::size_t stack : active) {
      stacks.frames_of(stack, path);
      const bool ends = path.size() <= depth;
      if (!ends) path.resize(depth);
      const std::uint32_t node = tree.add(path, 0, ends ? stacks.sums[stack] : Sums{});
      if (node >= below.size()) below.resize(node + 1);
      below[node] += stacks.sums[stack];
      if (!ends) longer.emplace_back(stack, node);
    }
    active.clear();
    for (const auto& [stack, node] : longer) {
      if (hidden(below[node], total, pruning.limit))
        tree.add_to(node, stacks.sums[stack]);
      else
        active.push_back(stack);
    }
  }
  return std::move(tree).finish(frames, pruning);
}

}  // namespace memray::flamegraph
