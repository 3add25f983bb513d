// From a snapshot to the trees that a page shows.
#pragma once

#include "page.h"

namespace memray::flamegraph {

// A stack in the order in which a tree holds it, and, of an inverted one, what is left of it without the import system.
struct TreePath {
  std::vector<FrameNumber> frames;
  std::vector<FrameNumber> without_imports;
};

// The paths of a capture's groups.
class TreePaths {
 public:
  TreePaths(const Capture& capture, FrameTable& frames, bool inverted)
      : stacks_(capture), frames_(frames), inverted_(inverted) {}

  // Valid until the next call.
  const TreePath& of(const Group& group);

 private:
  struct Known {
    FrameNumber number{};
    bool imports = false;
    bool known = false;
  };
  const Known& known(std::uint32_t frame);

  DisplayStacks stacks_;
  FrameTable& frames_;
  bool inverted_;
  std::vector<Known> known_;
  TreePath path_;
};

struct SnapshotTrees {
  Tree tree;
  std::optional<Tree> without_imports;
  std::vector<std::string> threads;
};
SnapshotTrees snapshot_trees(const Capture& capture, const Snapshot& snapshot, FrameTable& frames, bool inverted,
                             bool split);

// For a page that follows a recording: see level_tree.h. Threads are merged.
Tree live_tree(const Capture& capture, const Snapshot& snapshot, FrameTable& frames, const Pruning& pruning);

// Numbers of stacks that are near to each other are near in a tree as well: the builder thrives on this order.
bool comes_before(const Group& a, const Group& b);

// The functions of the snapshot that have a box in the tree.
std::vector<FunctionSums> function_sums(const Capture& capture, const Snapshot& snapshot, const Tree& tree,
                                        FrameTable& frames);

}  // namespace memray::flamegraph
