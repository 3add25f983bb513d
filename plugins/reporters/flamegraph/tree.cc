#include "tree.h"

#include "layout.h"

#include <algorithm>

namespace memray::flamegraph {

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

TreeBuilder::TreeBuilder() { append(kRootNode, 0, {}); }

std::uint32_t TreeBuilder::add(std::span<const FrameNumber> frames, std::uint32_t thread, const Sums& sums) {
  const std::uint32_t top = top_of(thread);
  std::size_t shared = 0;
  if (!last_steps_.empty() && last_steps_.front().node == top) {
    const auto end = std::mismatch(frames.begin(), frames.end(), last_frames_.begin(), last_frames_.end());
    shared = static_cast<std::size_t>(end.first - frames.begin());
    go_back(shared);
  } else {
    last_steps_.assign(1, {top, 0});
  }
  last_frames_.resize(shared);
  last_frames_.insert(last_frames_.end(), frames.begin() + static_cast<std::ptrdiff_t>(shared), frames.end());
  go_down(frames, thread);
  nodes_[last_steps_.back().node].sums += sums;
  return last_steps_.back().node;
}

std::uint32_t TreeBuilder::top_of(std::uint32_t thread) {
  std::uint32_t& top = top_[thread];
  if (top == FlatMap::kNone) top = append(kRootNode, thread, {});
  return top;
}

// From the end of the stack before to where the next one leaves it.
void TreeBuilder::go_back(std::size_t depth) {
  std::uint32_t left = 0;
  while (last_steps_.back().end > depth) {
    left = last_steps_.back().node;
    last_steps_.pop_back();
  }
  const std::size_t end = last_steps_.back().end;
  if (end < depth) last_steps_.push_back({split(left, depth - end), depth});
}

void TreeBuilder::go_down(std::span<const FrameNumber> frames, std::uint32_t thread) {
  while (last_steps_.back().end < frames.size()) {
    const auto [parent, end] = last_steps_.back();
    const std::span<const FrameNumber> rest = frames.subspan(end);
    const std::uint32_t known = edge(parent, rest.front());
    if (known == FlatMap::kNone) {
      last_steps_.push_back({append(parent, thread, rest), frames.size()});
      return;
    }
    const std::span<const FrameNumber> run(runs_.data() + nodes_[known].begin, nodes_[known].length);
    const auto shared = static_cast<std::size_t>(std::ranges::mismatch(run, rest).in1 - run.begin());
    last_steps_.push_back({shared < run.size() ? split(known, shared) : known, end + shared});
  }
}

std::uint32_t TreeBuilder::append(std::uint32_t parent, std::uint32_t thread, std::span<const FrameNumber> run) {
  const auto node = static_cast<std::uint32_t>(nodes_.size());
  nodes_.push_back({parent, thread, runs_.size(), static_cast<std::uint32_t>(run.size()), {}});
  runs_.insert(runs_.end(), run.begin(), run.end());
  if (!run.empty()) edge(parent, run.front()) = node;
  return node;
}

// Cuts a run after `length` frames: these become those of a new node, and the rest stays the node's.
std::uint32_t TreeBuilder::split(std::uint32_t node, std::size_t length) {
  const auto upper = static_cast<std::uint32_t>(nodes_.size());
  Node& lower = nodes_[node];
  Node above = lower;
  above.length = static_cast<std::uint32_t>(length);
  above.sums = {};
  lower.parent = upper;
  lower.begin += length;
  lower.length -= above.length;
  edge(above.parent, runs_[above.begin]) = upper;
  edge(upper, runs_[lower.begin]) = node;
  nodes_.push_back(above);
  return upper;
}

Tree TreeBuilder::finish(const FrameTable& frames, const Pruning& pruning) && {
  return lay_out(std::move(nodes_), runs_, frames, pruning);
}

}  // namespace memray::flamegraph
