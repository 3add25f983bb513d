#include "temporal.h"

#include "html_common/thread_list.h"

#include <algorithm>
#include <tuple>

namespace memray::flamegraph {

namespace {

constexpr double kShareUnit = 1e12;  // sums of shares are integers, so that adding up is exact
constexpr Pruning kPruning = {.limit = 1e-4,
                              .max_nodes = 40'000,
                              .totals = Sums{static_cast<std::uint64_t>(kShareUnit), ~std::uint64_t{0}, 0, 0}};

// What shares refer to: the high water of each slot, or, for leaks, what was allocated in it and outlived it.
std::vector<std::uint64_t> totals_by_slot(const Temporal& temporal, TemporalKind kind) {
  if (kind == TemporalKind::high_water) return temporal.high_water;
  std::vector<std::uint64_t> totals(temporal.slots.size() + 1);
  for (const TemporalGroup& group : temporal.groups) {
    for (const Interval& interval : group.intervals) totals[interval.allocated_before] += interval.bytes;
  }
  return totals;
}

// The largest share of any slot that a group has.
class Shares {
 public:
  Shares(const Temporal& temporal, TemporalKind kind) : kind_(kind), totals_(totals_by_slot(temporal, kind)) {}

  std::uint64_t largest(const std::vector<Interval>& intervals) {
    changes_.clear();
    for (const Interval& interval : intervals) {
      changes_.emplace_back(interval.allocated_before, static_cast<std::int64_t>(interval.bytes));
      const std::uint32_t end =
          kind_ == TemporalKind::leaks ? interval.allocated_before + 1 : interval.deallocated_before.value_or(slots());
      changes_.emplace_back(end, -static_cast<std::int64_t>(interval.bytes));
    }
    std::sort(changes_.begin(), changes_.end());
    double most = 0;
    std::int64_t held = 0;
    for (std::size_t i = 0; i < changes_.size(); ++i) {
      held += changes_[i].second;
      const std::uint32_t begin = changes_[i].first;
      const std::uint32_t end = i + 1 < changes_.size() ? changes_[i + 1].first : begin;
      // Until the next change the share is largest where the total is smallest.
      for (std::uint32_t slot = begin; slot < end && held > 0; ++slot) {
        most =
            std::max(most, static_cast<double>(held) / static_cast<double>(std::max<std::uint64_t>(totals_[slot], 1)));
      }
    }
    return static_cast<std::uint64_t>(std::min(most, 1.0) * kShareUnit);
  }

 private:
  std::uint32_t slots() const { return static_cast<std::uint32_t>(totals_.size()); }

  TemporalKind kind_;
  std::vector<std::uint64_t> totals_;
  std::vector<std::pair<std::uint32_t, std::int64_t>> changes_;
};

std::vector<NodeInterval> node_intervals(const Temporal& temporal, const std::vector<const TemporalGroup*>& groups,
                                         const std::vector<std::uint32_t>& node_of, const Tree& tree) {
  std::vector<NodeInterval> result;
  const auto never = static_cast<std::uint32_t>(temporal.slots.size() + 1);
  for (std::size_t i = 0; i < groups.size(); ++i) {
    for (const Interval& interval : groups[i]->intervals) {
      result.push_back({tree.shown_as[node_of[i]], interval.allocated_before,
                        interval.deallocated_before.value_or(never), interval.bytes, interval.count});
    }
  }
  tidy(result);
  return result;
}

}  // namespace

void tidy(std::vector<NodeInterval>& intervals) {
  const auto place = [](const NodeInterval& i) { return std::tie(i.node, i.allocated, i.deallocated); };
  std::sort(intervals.begin(), intervals.end(),
            [&](const NodeInterval& a, const NodeInterval& b) { return place(a) < place(b); });
  std::size_t kept = 0;
  for (const NodeInterval& interval : intervals) {
    if (kept > 0 && place(intervals[kept - 1]) == place(interval)) {
      intervals[kept - 1].bytes += interval.bytes;
      intervals[kept - 1].count += interval.count;
    } else {
      intervals[kept++] = interval;
    }
  }
  intervals.resize(kept);
}

void halve(TemporalSlots& slots, TemporalKind kind, const std::vector<std::vector<NodeInterval>*>& trees) {
  const std::size_t before = slots.high_water.size();
  const std::size_t after = (before + 1) / 2;
  // Where a beginning or an end in slot i of before goes; one more for "never".
  std::vector<std::uint32_t> to(before + 1);
  for (std::size_t i = 0; i <= before; ++i) {
    const std::size_t pair = i / 2;
    // Of the first slot of a pair: in time for the pair. Of the second: only if the second is the higher.
    const bool late =
        kind == TemporalKind::high_water && i % 2 == 1 && i < before && slots.high_water[i] < slots.high_water[i - 1];
    to[i] = static_cast<std::uint32_t>(i == before ? after : pair + (late ? 1 : 0));
  }
  for (std::vector<NodeInterval>* intervals : trees) {
    std::erase_if(*intervals, [&](NodeInterval& interval) {
      interval.allocated = to[interval.allocated];
      interval.deallocated = to[interval.deallocated];
      return interval.allocated == interval.deallocated;
    });
    tidy(*intervals);
  }
  TemporalSlots joined;
  for (std::size_t i = 0; i < before; i += 2) {
    const bool pair = i + 1 < before;
    joined.high_water.push_back(pair ? std::max(slots.high_water[i], slots.high_water[i + 1]) : slots.high_water[i]);
    const std::size_t last = pair ? i + 1 : i;
    if (last < slots.borders.size()) joined.borders.push_back(slots.borders[last]);
  }
  slots = std::move(joined);
}

TemporalTrees temporal_trees(const Capture& capture, const Temporal& temporal, TemporalKind kind, FrameTable& frames,
                             bool inverted, bool split, std::size_t max_intervals) {
  std::vector<const TemporalGroup*> groups;
  for (const TemporalGroup& group : temporal.groups) groups.push_back(&group);
  std::ranges::stable_sort(
      groups, [](const TemporalGroup* a, const TemporalGroup* b) { return comes_before(a->group, b->group); });

  TreeBuilder all, without_imports;
  std::vector<std::uint32_t> node_in_all, node_without_imports;
  html::ThreadList threads(capture.definitions());
  Shares shares(temporal, kind);
  TreePaths paths(capture, frames, inverted);
  for (const TemporalGroup* group : groups) {
    const std::uint32_t thread = split ? threads.number(group->group.thread) : 0;
    const TreePath& path = paths.of(group->group);
    const Sums share = {.bytes = shares.largest(group->intervals)};
    node_in_all.push_back(all.add(path.frames, thread, share));
    if (inverted) node_without_imports.push_back(without_imports.add(path.without_imports, thread, share));
  }

  TemporalTrees trees;
  trees.kind = kind;
  trees.slots = {temporal.slots, temporal.high_water};
  trees.slots.high_water.resize(temporal.slots.size() + 1);
  trees.threads = std::move(threads).take();
  const auto finish = [&](TreeBuilder&& builder, const std::vector<std::uint32_t>& node_of) {
    TemporalTree tree{std::move(builder).finish(frames, kPruning), {}};
    tree.intervals = node_intervals(temporal, groups, node_of, tree.tree);
    return tree;
  };
  trees.all = finish(std::move(all), node_in_all);
  std::vector<std::vector<NodeInterval>*> intervals = {&trees.all.intervals};
  if (inverted) {
    trees.without_imports = finish(std::move(without_imports), node_without_imports);
    intervals.push_back(&trees.without_imports->intervals);
  }
  const auto count = [&] {
    std::size_t sum = 0;
    for (const auto* list : intervals) sum += list->size();
    return sum;
  };
  while (count() > max_intervals && trees.slots.borders.size() > 1) halve(trees.slots, kind, intervals);
  return trees;
}

}  // namespace memray::flamegraph
