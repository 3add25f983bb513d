#include "tree_view.h"

#include <algorithm>
#include <cctype>
#include <string>

namespace memray::tree {

namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

}  // namespace

TreeView::TreeView(const CallTree& tree) : tree_(&tree), expanded_(tree.size(), false) {
  NodeId node = kRoot;
  for (std::vector<NodeId> below = children(node); !below.empty(); below = children(node)) {
    expanded_[node] = true;
    node = below.front();
    if (tree[node].bytes * 2 < tree.root().bytes) break;
  }
  rebuild(kRoot);
}

std::vector<NodeId> TreeView::children(NodeId node) const {
  std::vector<NodeId> shown;
  std::vector<NodeId> pending((*tree_)[node].children.rbegin(), (*tree_)[node].children.rend());
  bool spliced = false;
  while (!pending.empty()) {
    const NodeId id = pending.back();
    pending.pop_back();
    const Node& child = (*tree_)[id];
    if (hides_imports_ && child.importing) continue;
    // A dull leaf stays: it is what allocated.
    if (child.dull && !shows_dull_ && !child.children.empty()) {
      spliced = true;
      pending.insert(pending.end(), child.children.rbegin(), child.children.rend());
    } else {
      shown.push_back(id);
    }
  }
  if (spliced) {
    std::ranges::stable_sort(shown, std::greater<>(), [&](NodeId id) { return (*tree_)[id].bytes; });
  }
  return shown;
}

// Makes the rows anew, with the cursor on `keep` or its closest caller that is shown.
void TreeView::rebuild(NodeId keep) {
  rows_.clear();
  std::vector<Row> pending = {{kRoot, 0, false, false}};
  while (!pending.empty()) {
    Row row = pending.back();
    pending.pop_back();
    const std::vector<NodeId> below = children(row.node);
    row.expandable = !below.empty();
    row.expanded = row.expandable && expanded_[row.node];
    rows_.push_back(row);
    if (!row.expanded) continue;
    for (auto child = below.rbegin(); child != below.rend(); ++child) {
      pending.push_back({*child, row.depth + 1, false, false});
    }
  }
  for (;; keep = (*tree_)[keep].parent) {
    const auto place = std::ranges::find(rows_, keep, &Row::node);
    if (place != rows_.end()) {
      cursor_ = static_cast<std::size_t>(place - rows_.begin());
      return;
    }
  }
}

void TreeView::move(std::ptrdiff_t by) {
  const auto last = static_cast<std::ptrdiff_t>(rows_.size()) - 1;
  cursor_ = static_cast<std::size_t>(std::clamp(static_cast<std::ptrdiff_t>(cursor_) + by, std::ptrdiff_t{0}, last));
}

void TreeView::move_to(std::size_t row) { cursor_ = std::min(row, rows_.size() - 1); }

void TreeView::expand() {
  if (!current().expandable) return;
  if (current().expanded) return move(1);
  toggle();
}

void TreeView::collapse() {
  if (current().expanded) return toggle();
  const std::uint32_t depth = current().depth;
  while (cursor_ != 0 && current().depth >= depth) --cursor_;
}

void TreeView::toggle() {
  if (!current().expandable) return;
  const NodeId node = current().node;
  expanded_[node] = !expanded_[node];
  rebuild(node);
}

void TreeView::expand_to_branch() {
  const NodeId here = current().node;
  NodeId node = here;
  for (std::vector<NodeId> below = children(node); !below.empty(); below = children(node)) {
    expanded_[node] = true;
    if (below.size() > 1) break;
    node = below.front();
  }
  rebuild(here);
}

void TreeView::toggle_imports() {
  hides_imports_ = !hides_imports_;
  rebuild(current().node);
}

void TreeView::toggle_dull() {
  shows_dull_ = !shows_dull_;
  rebuild(current().node);
}

// Unfolds all callers of `node`. False if it is hidden.
bool TreeView::reveal(NodeId node) {
  const Node& wanted = (*tree_)[node];
  if (hides_imports_ && wanted.importing) return false;
  if (wanted.dull && !shows_dull_ && !wanted.children.empty()) return false;
  for (NodeId caller = node; caller != kRoot;) {
    caller = (*tree_)[caller].parent;
    expanded_[caller] = true;
  }
  rebuild(node);
  return true;
}

bool TreeView::find(std::string_view text) {
  const std::string wanted = lower(text);
  // In the order of rows, as if all were unfolded.
  std::vector<NodeId> order;
  std::vector<NodeId> pending = {kRoot};
  while (!pending.empty()) {
    const NodeId node = pending.back();
    pending.pop_back();
    order.push_back(node);
    const std::vector<NodeId> below = children(node);
    pending.insert(pending.end(), below.rbegin(), below.rend());
  }
  const auto here = std::ranges::find(order, current().node);
  std::ranges::rotate(order, here + 1);
  for (const NodeId node : order) {
    const DisplayFrame& frame = (*tree_)[node].frame;
    const bool match =
        lower(frame.function).find(wanted) != std::string::npos || lower(frame.file).find(wanted) != std::string::npos;
    if (match && reveal(node)) return true;
  }
  return false;
}

}  // namespace memray::tree
