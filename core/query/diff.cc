// What grew and what shrank.
//
// Somebody added a line at the top of a file, and every line below it has another number; a comparison by lines would
// call all of it gone and new. So stacks are compared by the functions and files of their frames. Two calls on
// different lines of one function are the same by that measure, and are told apart again where that is safe: those with
// equal lines belong together, and of what is left the first belongs to the first, the second to the second, if there
// are as many on both sides. Otherwise what is left counts as one.

#include <memray/query.h>

#include <algorithm>
#include <functional>
#include <map>
#include <unordered_map>
#include <utility>

#include "capture/intern_table.h"

namespace memray {
namespace {

struct Side {
  std::uint64_t bytes = 0;
  std::uint64_t count = 0;
  const Group* group = nullptr;  // any of those that have this stack
};

using Lines = std::vector<std::uint32_t>;
struct Path {
  std::map<Lines, Side> before, after;
};

// Numbers for sequences of (function, file).
class Paths {
 public:
  std::uint64_t number(const std::vector<DisplayFrame>& stack) {
    std::uint64_t path = 0;
    for (const DisplayFrame& frame : stack) {
      const std::uint64_t name = name_of(frame);
      path = nodes_.try_emplace({path, name}, nodes_.size() + 1).first->second;
    }
    return path;
  }

 private:
  using Pair = std::pair<std::uint64_t, std::uint64_t>;
  struct PairHash {
    std::size_t operator()(const Pair& pair) const { return mix(pair.first, pair.second); }
  };

  std::uint64_t text(std::string_view text) { return texts_.try_emplace(text, texts_.size()).first->second; }
  std::uint64_t name_of(const DisplayFrame& frame) {
    return names_.try_emplace({text(frame.function), text(frame.file)}, names_.size()).first->second;
  }

  std::unordered_map<std::string_view, std::uint64_t> texts_;
  std::unordered_map<Pair, std::uint64_t, PairHash> names_, nodes_;
};

class Comparison {
 public:
  Comparison(const Capture& before, const Capture& after) : before_(before), after_(after) {}

  void add(const Capture& capture, const Snapshot& snapshot, std::map<Lines, Side> Path::*side) {
    for (const Group& group : snapshot.groups) {
      const std::vector<DisplayFrame> stack = display_stack(capture, group);
      Lines lines;
      for (const DisplayFrame& frame : stack) lines.push_back(frame.line);
      Side& total = (paths_[numbers_.number(stack)].*side)[lines];
      total.bytes += group.bytes;
      total.count += group.count;
      total.group = &group;
    }
  }

  std::vector<DiffRow> rows() {
    for (auto& [number, path] : paths_) compare(path);
    return std::move(rows_);
  }

 private:
  void compare(Path& path) {
    for (auto after = path.after.begin(); after != path.after.end();) {
      const auto before = path.before.find(after->first);
      if (before == path.before.end()) {
        ++after;
        continue;
      }
      add_row(before->second, after->second);
      path.before.erase(before);
      after = path.after.erase(after);
    }
    if (path.before.size() == path.after.size()) {
      for (auto before = path.before.begin(); const auto& [lines, side] : path.after) add_row((before++)->second, side);
    } else {
      add_row(sum(path.before), sum(path.after));
    }
  }

  static Side sum(const std::map<Lines, Side>& sides) {
    Side sum;
    std::uint64_t most = 0;
    for (const auto& [lines, side] : sides) {
      if (sum.group == nullptr || side.bytes > most) sum.group = side.group, most = side.bytes;
      sum.bytes += side.bytes;
      sum.count += side.count;
    }
    return sum;
  }

  void add_row(const Side& before, const Side& after) {
    // One of the two has a group, or there would be no row.
    std::vector<DisplayFrame> stack =  // NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker)
        after.group ? display_stack(after_, *after.group) : display_stack(before_, *before.group);
    rows_.push_back({std::move(stack), before.bytes, after.bytes, before.count, after.count});
  }

  const Capture& before_;
  const Capture& after_;
  Paths numbers_;
  std::map<std::uint64_t, Path> paths_;  // in the order in which they come up
  std::vector<DiffRow> rows_;
};

}  // namespace

Diff diff(const Capture& capture_before, const Snapshot& before, const Capture& capture_after, const Snapshot& after) {
  Comparison comparison(capture_before, capture_after);
  comparison.add(capture_before, before, &Path::before);
  comparison.add(capture_after, after, &Path::after);
  Diff diff{comparison.rows(), before.bytes, after.bytes, before.count, after.count};
  std::ranges::stable_sort(diff.rows, std::greater<>(), &DiffRow::change);
  return diff;
}

}  // namespace memray
