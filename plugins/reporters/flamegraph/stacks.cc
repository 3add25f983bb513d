#include "stacks.h"

#include "level_tree.h"

#include "html_common/thread_list.h"

#include <algorithm>
#include <tuple>
#include <unordered_map>

namespace memray::flamegraph {

void set_path(TreePath& path, const std::vector<DisplayFrame>& stack, FrameTable& frames, bool inverted) {
  path.frames.clear();
  for (const DisplayFrame& frame : stack) path.frames.push_back(frames.number(frame));
  if (!inverted) {
    std::reverse(path.frames.begin(), path.frames.end());
    return;
  }
  // Of a stack that imports, only those who asked for the import are left.
  const auto outermost_import = std::find_if(stack.rbegin(), stack.rend(), [](const DisplayFrame& frame) {
    return role_of(frame) == FrameRole::import_system;
  });
  const auto imports = outermost_import == stack.rend() ? 0 : stack.rend() - outermost_import;
  path.without_imports.assign(path.frames.begin() + imports, path.frames.end());
}

namespace {

// Numbers of stacks that are near to each other are near in the tree as well: the builder thrives on that.
void sort_by_stack(std::vector<Group>& groups) {
  std::stable_sort(groups.begin(), groups.end(), [](const Group& a, const Group& b) {
    return std::tie(a.thread, a.stack, a.native_stack) < std::tie(b.thread, b.stack, b.native_stack);
  });
}

Sums sums_of(const Group& group) { return {.bytes = group.bytes, .count = group.count}; }

}  // namespace

SnapshotTrees snapshot_trees(const Capture& capture, Snapshot snapshot, FrameTable& frames, bool inverted, bool split) {
  sort_by_stack(snapshot.groups);
  TreeBuilder all, without_imports;
  html::ThreadList threads(capture.definitions());
  TreePath path;
  for (const Group& group : snapshot.groups) {
    const std::uint32_t thread = split ? threads.number(group.thread) : 0;
    set_path(path, display_stack(capture, group), frames, inverted);
    const Sums sums = sums_of(group);
    all.add(path.frames, thread, sums);
    if (inverted) without_imports.add(path.without_imports, thread, sums);
  }
  SnapshotTrees trees{std::move(all).finish(frames), {}, std::move(threads).take()};
  if (inverted) trees.without_imports = std::move(without_imports).finish(frames);
  return trees;
}

Tree live_tree(const Capture& capture, Snapshot snapshot, FrameTable& frames, const Pruning& pruning) {
  sort_by_stack(snapshot.groups);
  WeightedStacks stacks;
  for (const Group& group : snapshot.groups) stacks.sums.push_back(sums_of(group));
  TreePath path;
  stacks.frames_of = [&](std::size_t i, std::vector<FrameNumber>& of) {
    set_path(path, display_stack(capture, snapshot.groups[i]), frames, false);
    of = path.frames;
  };
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
