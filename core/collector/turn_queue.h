// Whose turn it is: streams by the time of their next item, in a binary heap. The one at the top stays there while it
// runs; whether it may go on is one comparison.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace memray::collector {

class Stream;

class TurnQueue {
 public:
  bool empty() const { return turns_.empty(); }
  Stream& first() const { return *turns_[0].stream; }

  // When the turn of the first one is over: when the next one's begins.
  std::uint64_t until(std::uint64_t end) const {
    for (std::size_t i = 1; i < std::min<std::size_t>(3, turns_.size()); ++i) end = std::min(end, turns_[i].stamp);
    return end;
  }

  void add(std::uint64_t stamp, Stream& stream) {
    std::size_t i = turns_.size();
    turns_.push_back({stamp, &stream});
    for (; i > 0 && turns_[(i - 1) / 2].stamp > stamp; i = (i - 1) / 2) std::swap(turns_[i], turns_[(i - 1) / 2]);
  }

  // The first one is next at `stamp`.
  void move_first(std::uint64_t stamp) {
    turns_[0].stamp = stamp;
    sift_down();
  }
  void remove_first() {
    turns_[0] = turns_.back();
    turns_.pop_back();
    if (!turns_.empty()) sift_down();
  }

 private:
  struct Turn {
    std::uint64_t stamp;
    Stream* stream;
  };

  void sift_down() {
    const Turn turn = turns_[0];
    const std::size_t count = turns_.size();
    std::size_t i = 0;
    for (std::size_t child = 1; child < count; child = 2 * i + 1) {
      if (child + 1 < count && turns_[child + 1].stamp < turns_[child].stamp) ++child;
      if (turns_[child].stamp >= turn.stamp) break;
      turns_[i] = turns_[child];
      i = child;
    }
    turns_[i] = turn;
  }

  std::vector<Turn> turns_;
};

}  // namespace memray::collector
