#include "stacks.h"

#include "level_tree.h"

#include "html_common/thread_list.h"

#include <algorithm>
#include <tuple>
#include <unordered_map>

namespace memray::flamegraph {

const TreePaths::Known& TreePaths::known(std::uint32_t frame) {
  if (frame >= known_.size()) known_.resize(stacks_.frames());
  Known& known = known_[frame];
  if (!known.known) known = {frames_.number(stacks_[frame]), role_of(stacks_[frame]) == FrameRole::import_system, true};
  return known;
}

const TreePath& TreePaths::of(const Group& group) {
  path_.frames.clear();
  std::size_t imports = 0;  // up to the outermost frame of the import system
  for (const std::uint32_t frame : stacks_.of(group)) {
    path_.frames.push_back(known(frame).number);
    if (known(frame).imports) imports = path_.frames.size();
  }
  if (!inverted_) {
    std::reverse(path_.frames.begin(), path_.frames.end());
  } else {  // of a stack that imports, only those who asked for the import are left
    path_.without_imports.assign(path_.frames.begin() + static_cast<std::ptrdiff_t>(imports), path_.frames.end());
  }
  return path_;
}

bool comes_before(const Group& a, const Group& b) {
  return std::tie(a.thread, a.stack, a.native_stack) < std::tie(b.thread, b.stack, b.native_stack);
}

namespace {

std::vector<const Group*> in_order(const Snapshot& snapshot) {
  std::vector<const Group*> groups;
  for (const Group& group : snapshot.groups) groups.push_back(&group);
  std::ranges::stable_sort(groups, [](const Group* a, const Group* b) { return comes_before(*a, *b); });
  return groups;
}

Sums sums_of(const Group& group) { return {.bytes = group.bytes, .count = group.count}; }

}  // namespace

SnapshotTrees snapshot_trees(const Capture& capture, const Snapshot& snapshot, FrameTable& frames, bool inverted,
                             bool split) {
  TreeBuilder all, without_imports;
  html::ThreadList threads(capture.definitions());
  TreePaths paths(capture, frames, inverted);
  for (const Group* group : in_order(snapshot)) {
    const std::uint32_t thread = split ? threads.number(group->thread) : 0;
    const TreePath& path = paths.of(*group);
    const Sums sums = sums_of(*group);
    all.add(path.frames, thread, sums);
    if (inverted) without_imports.add(path.without_imports, thread, sums);
  }
  SnapshotTrees trees{std::move(all).finish(frames), {}, std::move(threads).take()};
  if (inverted) trees.without_imports = std::move(without_imports).finish(frames);
  return trees;
}

Tree live_tree(const Capture& capture, const Snapshot& snapshot, FrameTable& frames, const Pruning& pruning) {
  const std::vector<const Group*> groups = in_order(snapshot);
  WeightedStacks stacks;
  for (const Group* group : groups) stacks.sums.push_back(sums_of(*group));
  TreePaths paths(capture, frames, false);
  stacks.frames_of = [&](std::size_t i, std::vector<FrameNumber>& of) { of = paths.of(*groups[i]).frames; };
  return tree_by_levels(stacks, frames, pruning);
}

std::vector<FunctionSums> function_sums(const Capture& capture, const Snapshot& snapshot, const Tree& tree,
                                        FrameTable& frames) {
  struct Name {
    std::string_view function, file;
    bool operator==(const Name&) const = default;
  };
  const auto hash = [](const Name& name) {
    return std::hash<std::string_view>()(name.function) * 31 + std::hash<std::string_view>()(name.file);
  };
  std::unordered_map<Name, FrameNumber, decltype(hash)> shown(64, hash);
  for (const Tree::Node& node : tree.nodes) {
    const DisplayFrame& frame = frames[node.frame];
    if (node.frame > FrameTable::kMerged) shown.try_emplace({frame.function, frame.file}, node.frame);
  }
  std::vector<FunctionSums> sums;
  for (const FunctionTotal& total : functions(capture, snapshot)) {
    const auto frame = shown.find({total.function, total.file});
    if (frame == shown.end()) continue;
    sums.push_back({frame->second, total.own_bytes, total.total_bytes, total.count});
  }
  return sums;
}

}  // namespace memray::flamegraph
