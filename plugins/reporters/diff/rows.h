// What a difference is shown as: rows of stacks, or of some property of them.
#pragma once

#include <memray/reporter.h>

#include <string>
#include <vector>

namespace memray::diff_report {

struct Row {
  std::vector<DisplayFrame> stack;  // of differences by stack, innermost first
  std::string name;                 // of others
  std::uint64_t bytes_before = 0, bytes_after = 0;
  std::uint64_t count_before = 0, count_after = 0;

  std::int64_t change() const { return static_cast<std::int64_t>(bytes_after - bytes_before); }
  std::int64_t count_change() const { return static_cast<std::int64_t>(count_after - count_before); }
};

struct Side {
  const Capture& capture;
  const Snapshot& snapshot;
};

// What grew most first, what shrank most last. `property` is "stack", "function", "file", "module", "library",
// "allocator" or "size".
std::vector<Row> rows_by(const std::string& property, const Side& before, const Side& after);

}  // namespace memray::diff_report
