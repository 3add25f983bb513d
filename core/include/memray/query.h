// Questions to a capture.
#pragma once

#include <memray/capture.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace memray {

// Live allocations made by one stack (in one thread unless threads are merged) with one allocator.
struct Group {
  StackId stack = kNoStack;
  StackId native_stack = kNoStack;
  ThreadId thread = kMergedThreads;
  Allocator allocator = Allocator::none;
  std::uint64_t bytes = 0;
  std::uint64_t count = 0;  // allocations; a mapping in n pieces counts n
};

// The live set at one moment, in the order in which the groups first allocated.
struct Snapshot {
  std::vector<Group> groups;
  std::uint64_t bytes = 0;
  std::uint64_t count = 0;
  Time time{};
};

struct SnapshotOptions {
  bool merge_threads = true;
};

// The moment when live bytes were highest; on ties the latest such moment.
Snapshot peak(const Capture& capture, const SnapshotOptions& options = {});

// What was never freed: live at the end of recording, or when its process exited.
Snapshot leaks(const Capture& capture, const SnapshotOptions& options = {});

// Which snapshot a report is about.
enum class View { peak, leaks };
Snapshot snapshot(const Capture& capture, View view, const SnapshotOptions& options = {});

struct SizeBin {
  std::uint64_t min_bytes = 0;
  std::uint64_t max_bytes = 0;  // inclusive
  std::uint64_t count = 0;
};

struct LocationTotal {
  Location location;  // innermost Python frame; where there is none, the innermost native one, else all empty
  std::uint64_t bytes = 0;
  std::uint64_t count = 0;
};

struct Statistics {
  std::uint64_t allocations = 0;
  std::uint64_t allocated_bytes = 0;
  std::uint64_t peak_bytes = 0;
  std::vector<SizeBin> histogram;  // 10 bins, edges geometric between smallest non-zero and largest size
  std::map<Allocator, std::uint64_t> count_by_allocator;
  std::vector<LocationTotal> top_by_bytes;  // `largest` entries, descending
  std::vector<LocationTotal> top_by_count;
};

Statistics statistics(const Capture& capture, std::size_t largest = 5);

// The frames of a group for people, innermost first: Python frames where there are any, else native ones with inlined
// functions expanded (a native frame that has no symbol shows as "module+0x1234").
struct DisplayFrame {
  std::string_view function;
  std::string_view file;
  std::uint32_t line = 0;
  FrameKind kind = FrameKind::python;
};
std::vector<DisplayFrame> display_stack(const Capture& capture, const Group& group);

}  // namespace memray
