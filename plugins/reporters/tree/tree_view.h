// What is unfolded, what is hidden and where the cursor is: everything about the screen but the screen.
#pragma once

#include "call_tree.h"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace memray::tree {

struct Row {
  NodeId node = kRoot;
  std::uint32_t depth = 0;  // of rows, which is less than that of frames where some are hidden
  bool expandable = false;
  bool expanded = false;
};

class TreeView {
 public:
  // Unfolded along the calls that have at least half of everything.
  explicit TreeView(const CallTree& tree);

  const std::vector<Row>& rows() const { return rows_; }
  std::size_t cursor() const { return cursor_; }
  const Row& current() const { return rows_[cursor_]; }
  bool hides_imports() const { return hides_imports_; }
  bool shows_dull() const { return shows_dull_; }

  void move(std::ptrdiff_t by);  // stops at both ends
  void move_to(std::size_t row);

  void expand();    // or, where that is done, goes to the first child
  void collapse();  // or, where that is done, goes to the parent
  void toggle();
  void expand_to_branch();  // down to the first node with more than one child

  void toggle_imports();
  void toggle_dull();

  // The next row below the cursor, around the end, whose function or file contains `text`, ignoring case; folded nodes
  // are unfolded as needed. False if there is none.
  bool find(std::string_view text);

 private:
  std::vector<NodeId> children(NodeId node) const;  // as shown
  void rebuild(NodeId keep);
  bool reveal(NodeId node);

  const CallTree* tree_;
  std::vector<bool> expanded_;
  std::vector<Row> rows_;
  std::size_t cursor_ = 0;
  bool hides_imports_ = false;
  bool shows_dull_ = false;
};

}  // namespace memray::tree
