// From a snapshot to the trees that a page shows.
#pragma once

#include "page.h"

namespace memray::flamegraph {

// A stack in the order in which a tree holds it, and, of an inverted one, what is left of it without the import system.
struct TreePath {
  std::vector<FrameNumber> frames;
  std::vector<FrameNumber> without_imports;
};
void set_path(TreePath& path, const std::vector<DisplayFrame>& stack, FrameTable& frames, bool inverted);

struct SnapshotTrees {
  Tree tree;
  std::optional<Tree> without_imports;
  std::vector<std::string> threads;
};
SnapshotTrees snapshot_trees(const Capture& capture, Snapshot snapshot, FrameTable& frames, bool inverted, bool split);

// For a page that follows a recording: see level_tree.h. Threads are merged.
Tree live_tree(const Capture& capture, Snapshot snapshot, FrameTable& frames, const Pruning& pruning);

// The functions of the snapshot that have a box in the tree.
std::vector<FunctionSums> function_sums(const Capture& capture, const Snapshot& snapshot, const Tree& tree,
                                        FrameTable& frames);

}  // namespace memray::flamegraph
