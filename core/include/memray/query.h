// Questions to a capture.
#pragma once

#include <memray/capture.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
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

// What one Python package had allocated: the innermost frame outside the standard library decides.
struct PackageTotal {
  std::string package;  // "numpy", "script.py", ...; "<root>" where every frame is of the standard library, or none is
  std::uint64_t bytes = 0;
  std::uint64_t count = 0;
};

// Totals over all allocations, whether freed or not.
struct Statistics {
  std::uint64_t allocations = 0;
  std::uint64_t allocated_bytes = 0;
  std::uint64_t peak_bytes = 0;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> count_by_size;  // (size, allocations), sizes ascending
  std::vector<SizeBin> histogram;  // 10 bins, edges geometric between smallest non-zero and largest size
  std::map<Allocator, std::uint64_t> count_by_allocator;
  std::vector<LocationTotal> top_by_bytes;  // `largest` entries, descending; of equals the first to allocate first
  std::vector<LocationTotal> top_by_count;
  std::vector<PackageTotal> top_packages_by_bytes;  // empty for a program without Python
  std::vector<PackageTotal> top_packages_by_count;
};

Statistics statistics(const Capture& capture, std::size_t largest = 5);

// One function in a snapshot, whatever the line.
struct FunctionTotal {
  std::string_view function;  // both empty for allocations without a stack
  std::string_view file;
  std::uint64_t own_bytes = 0;    // allocated in the function itself
  std::uint64_t total_bytes = 0;  // and in what it called; recursion counts once
  std::uint64_t count = 0;        // allocations behind `total_bytes`
};

// In the order in which the functions come up in the snapshot's stacks.
std::vector<FunctionTotal> functions(const Capture& capture, const Snapshot& snapshot);

// The frames of a group for people, innermost first: Python frames, native ones, or, where there are both, both in the
// order of their calls, Python functions in place of the interpreter's loop that ran them. Native frames are expanded
// to the functions inlined there; one that has no symbol shows as "module+0x1234". The texts live as long as the
// capture.
struct DisplayFrame {
  std::string_view function;
  std::string_view file;
  std::uint32_t line = 0;
  FrameKind kind = FrameKind::python;
};
std::vector<DisplayFrame> display_stack(const Capture& capture, const Group& group);

}  // namespace memray
