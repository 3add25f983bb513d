// Questions to a capture.
#pragma once

#include <memray/capture.h>

#include <cstdint>
#include <map>
#include <optional>
#include <span>
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
  std::uint8_t size_class = kAnySize;

  // Size classes, where sizes are split: 1 is 0 bytes, n + 1 is sizes of n bits, from 2^(n-1) to 2^n - 1.
  static constexpr std::uint8_t kAnySize = 0;
  // Of places that allocate many sizes, where the capture has only sums of what they made (--aggregate).
  static constexpr std::uint8_t kVaryingSizes = 255;
};

// The live set at one moment, in the order in which the groups first allocated; where sizes are split, those of places
// that allocate many of them come last.
struct Snapshot {
  std::vector<Group> groups;
  std::uint64_t bytes = 0;
  std::uint64_t count = 0;
  Time time{};
};

struct SnapshotOptions {
  bool merge_threads = true;
  bool split_sizes = false;  // groups by size class, too: that of the size requested; not in `temporal`
};

// The moment when live bytes were highest; on ties the latest such moment.
Snapshot peak(const Capture& capture, const SnapshotOptions& options = {});

// What was never freed: live at the end of recording, or when its process exited.
Snapshot leaks(const Capture& capture, const SnapshotOptions& options = {});

// Short-lived ones: allocations that their own thread freed again after at most `threshold` further allocations of its
// own. A mapping counts only if it was never unmapped in part.
Snapshot temporary(const Capture& capture, std::uint64_t threshold = 1, const SnapshotOptions& options = {});

// Those of them made after `from` and gone by `to`.
Snapshot temporary_within(const Capture& capture, std::uint64_t threshold, Time from, Time to,
                          const SnapshotOptions& options = {});

// Of moments between the first and the last. A moment is after all events up to and including it; event times have a
// resolution of 100 microseconds.

// What was live at that moment.
Snapshot live_at(const Capture& capture, Time time, const SnapshotOptions& options = {});
// What was allocated after `from` and not freed by `to`; of processes that exited in between, what they leaked.
Snapshot leaked_within(const Capture& capture, Time from, Time to, const SnapshotOptions& options = {});
// What was live when live bytes were highest from `from` to `to`, both included; on ties the latest such moment.
Snapshot peak_within(const Capture& capture, Time from, Time to, const SnapshotOptions& options = {});

// What a report is about.
enum class View { peak, leaks, temporary };
std::string_view name(View view);     // "peak", ...: for programs
std::string_view title(View view);    // "Peak memory", ...
std::string_view nothing(View view);  // what to say of an empty one: "Nothing leaked.", ...

struct Selection {
  View view = View::peak;
  std::uint64_t threshold = 1;   // of View::temporary
  std::optional<Time> from, to;  // nothing: from the beginning, to the end
  bool whole() const { return !from && !to; }
};
Snapshot snapshot(const Capture& capture, const Selection& selection, const SnapshotOptions& options = {});
inline Snapshot snapshot(const Capture& capture, View view, const SnapshotOptions& options = {}) {
  return snapshot(capture, Selection{view, 1, {}, {}}, options);
}

// Live sets over time, cut into slots by the moments of memory samples: slot 0 is before the first of `slots`, slot i
// between slots[i - 1] and slots[i], and the last one, slot slots.size(), is the tail. Of more than `max_slots` samples
// every k-th is taken.
struct Interval {
  std::uint32_t allocated_before = 0;               // slot
  std::optional<std::uint32_t> deallocated_before;  // slot; nothing: never
  std::int64_t count = 0;                           // below 0 where a mapping was cut into more pieces in that slot
  std::uint64_t bytes = 0;
};
struct TemporalGroup {
  Group group;  // `bytes` and `count` are those of the whole recording: leaked, or 0 for high water
  std::vector<Interval> intervals;
};
struct Temporal {
  std::vector<Time> slots;
  std::vector<TemporalGroup> groups;
  std::vector<std::uint64_t>
      high_water;  // by slot, slots.size() + 1 of them: highest live bytes, its beginning included
};
enum class TemporalKind {
  // An interval (a, d) is what was allocated in slot a and freed in slot d > a. Allocated within slots first to last
  // and not freed by the end of last: the sum over first <= a <= last, and d > last or none.
  leaks,
  // An interval (a, d) is what a group contributes to the highest moment (on ties the latest) of each slot from a to
  // d - 1 (none: to the last). The live set at the highest moment of slot s: the sum over a <= s < d.
  high_water,
};
Temporal temporal(const Capture& capture, TemporalKind kind, std::size_t max_slots = 10000,
                  const SnapshotOptions& options = {});

// Memory over time: one point for each moment of sampling, or the highest values of every k of them. With the same
// maximum, its points are those that cut `temporal` into slots.
struct TimelinePoint {
  Time time{};
  std::uint64_t rss = 0;                                                    // bytes, all processes together
  std::uint64_t heap = 0;                                                   // live recorded bytes
  std::uint64_t anonymous = 0, mapped = 0, pss = 0, mappings = 0, own = 0;  // as in MemorySample, added up
};
std::vector<TimelinePoint> timeline(const Capture& capture, std::size_t max_points = 10000);

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

// The same for who goes through many groups: frames are expanded once each, and told by numbers from 0 on.
class DisplayStacks {
 public:
  explicit DisplayStacks(const Capture& capture);

  // Innermost first. Valid until the next call.
  std::span<const std::uint32_t> of(const Group& group);
  const DisplayFrame& operator[](std::uint32_t number) const { return frames_[number]; }
  std::size_t frames() const { return frames_.size(); }  // numbered so far

 private:
  struct Range {
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
  };

  const Capture& capture_;
  std::vector<Range> of_frame_;  // of the capture
  std::vector<DisplayFrame> frames_;
  std::vector<FrameId> stack_;
  std::vector<std::uint32_t> numbers_;
};

// Frames that few people look for in a stack.
enum class FrameRole {
  ordinary,
  interpreter,    // CPython's C functions between one Python function and the next
  import_system,  // the Python code of `import`
  launcher,       // the Python code that starts a script or module
};
FrameRole role_of(const DisplayFrame& frame);

// "Thread 2 (worker)", with "of process 123" where there are several, or "merged thread".
std::string thread_label(const Definitions& definitions, ThreadId thread);

// Two snapshots, of two captures or of two moments of one, stack by stack. Stacks are the same if functions and files
// are; lines only tell apart stacks that are the same otherwise, so a change elsewhere in a file makes no difference.
struct DiffRow {
  std::vector<DisplayFrame> stack;  // innermost first; as it is afterwards, or, where it is gone, as it was
  std::uint64_t bytes_before = 0, bytes_after = 0;
  std::uint64_t count_before = 0, count_after = 0;
  std::int64_t change() const { return static_cast<std::int64_t>(bytes_after - bytes_before); }
};
struct Diff {
  std::vector<DiffRow> rows;  // what grew first, from most growth to most shrinkage; equal ones included
  std::uint64_t bytes_before = 0, bytes_after = 0;
  std::uint64_t count_before = 0, count_after = 0;
};
Diff diff(const Capture& capture_before, const Snapshot& before, const Capture& capture_after, const Snapshot& after);

// A snapshot by one property of its allocations, most bytes first. Frames: the innermost one decides.
// Size: of snapshots whose sizes are split.
enum class GroupBy { stack, function, file, module, library, thread, process, allocator, size };
struct Bucket {
  std::string name;
  std::uint64_t bytes = 0;
  std::uint64_t count = 0;
};
std::vector<Bucket> group_by(const Capture& capture, const Snapshot& snapshot, GroupBy property);

// How many of the outer frames of a Python stack are those that called the frame which began the recording, where the
// program itself did so. `display_stack` leaves them out.
std::size_t frames_outside_entry(const Capture& capture, StackId stack);

}  // namespace memray
