// Reading a capture. See docs/capture-format.md for what is on disk.
//
// A Capture is opened once; definitions, metadata, samples and the index are read then, events are streamed on demand,
// as often as wanted, in memory that depends on live allocations and distinct stacks, not on the size of the file. A
// file without an index (its collector was killed) is opened by scanning block headers; a torn or corrupted block ends
// or interrupts the data: what is intact is read and `damage()` says what is missing.
#pragma once

#include <memray/definitions.h>
#include <memray/event.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace memray {

// The file cannot be read at all. `what()` is one line for the user, without the file's name.
class CaptureError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// How the recorded program ended.
struct Ending {
  enum class Kind : std::uint8_t {
    unknown = 0,       // the collector did not live to see it
    exited = 1,        // `code` is its exit status
    signalled = 2,     // `code` is the signal
    stopped = 3,       // recording was stopped while the program went on
    unrecordable = 4,  // exec of a program that cannot be recorded; `code` unused
    ended = 5,         // the collector, not being its parent, was not told how; `code` unused
  };
  Kind kind = Kind::unknown;
  int code = 0;
  bool core_dumped = false;
};

// "exited with status 3", "killed by SIGKILL (9)", ...
std::string describe(const Ending& ending);

struct Metadata {
  std::string memray_version;      // of the writer
  std::int64_t start_time_ns = 0;  // of Time 0, CLOCK_REALTIME since the epoch
  Time end{};                      // last moment covered
  std::uint32_t pid = 0;
  std::string command_line;      // of the recorded program, arguments joined by spaces
  std::string hooks, unwinders;  // plugin names, comma separated
  std::string python_version;    // "3.12.1", or "" if no interpreter was seen
  std::string python_allocator;  // "pymalloc", "malloc", "mimalloc", "pymalloc debug", ..., or ""
  bool native_traces = false;
  bool trace_python_allocators = false;
  bool aggregated = false;  // totals only: made with --aggregate
  ThreadId main_thread{};
  StackId entry_stack = kNoStack;  // of the call that began the recording, if the program itself did
  Ending ending;
  // Not 0: events before are only there as sums, and where they made what was live then (--max-capture-size).
  Time events_from{};
  std::uint64_t dropped_events = 0;  // lost on purpose, under --on-overrun=drop
  std::uint64_t unknown_deallocations = 0;
  std::vector<std::pair<std::string, std::string>> extra;  // everything else the writer said, by key
};

// Sentences that whoever looks at a report must know: what the recording does not have.
std::vector<std::string> reservations(const Metadata& metadata);

struct Totals {
  std::uint64_t events = 0;  // of all kinds
  std::uint64_t allocations = 0;
  std::uint64_t deallocations = 0;  // matched ones, partial ones not counted
  std::uint64_t allocated_bytes = 0;
  std::uint64_t peak_bytes = 0;  // highest sum of live bytes
};

// The memory of one process at one moment, in bytes; memray's own is taken out of all but `own`.
struct MemorySample {
  Time time{};
  ProcessId process{};
  std::uint64_t rss = 0;
  std::uint64_t heap = 0;          // live recorded bytes at that moment, whole capture
  std::uint64_t process_heap = 0;  // ... and of this process
  std::uint64_t anonymous = 0;     // the part of `rss` that is of no file: heap, stacks, written-to data
  std::uint64_t mapped = 0;        // address space
  // As of a moment up to some seconds before: they are expensive to ask for.
  std::uint64_t pss = 0;       // `rss` with shared pages divided by those who share them; 0 where it is not told
  std::uint64_t mappings = 0;  // how many
  std::uint64_t own = 0;       // resident memory of memray in the process
};

// Resident memory that no live recorded allocation explains: what allocators hold of freed memory, fragmentation and
// their tables, stacks, and what was allocated before recording. An estimate: allocated memory that was never touched
// makes it too low.
constexpr std::uint64_t unexplained(const MemorySample& sample) {
  return sample.anonymous > sample.process_heap ? sample.anonymous - sample.process_heap : 0;
}

// What a pass over the events fills in besides kind, allocator, site, number and size.
enum class Columns : unsigned { none = 0, address = 1, thread = 2, time = 4, all = 7 };
constexpr Columns operator|(Columns a, Columns b) {
  return static_cast<Columns>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}
constexpr bool has(Columns set, Columns column) {
  return (static_cast<unsigned>(set) & static_cast<unsigned>(column)) != 0;
}

class Capture {
 public:
  // Throws CaptureError.
  explicit Capture(const std::string& path);
  ~Capture();
  Capture(Capture&&) noexcept;
  Capture& operator=(Capture&&) noexcept;

  const std::string& path() const;
  const Metadata& metadata() const;
  const Definitions& definitions() const;
  const Totals& totals() const;
  const std::vector<MemorySample>& memory_samples() const;  // in order of time

  // Throws CaptureError if the capture has totals but no events: see Metadata::aggregated.
  void require_events() const;

  // One line for the user if part of the file could not be read.
  const std::optional<std::string>& damage() const;

  // Calls `receive` with events in order, a few thousand at a time, until it returns false or all are read.
  // Throws as require_events() does.
  // The span is valid during the call. Fields of columns not asked for are zero.
  void events(Columns columns, const std::function<bool(std::span<const Event>)>& receive) const;

  // Called now and then during long passes with a fraction in [0, 1].
  void on_progress(std::function<void(double)> report);

  struct State;  // core's own queries look into it
  State& state() const;
  explicit Capture(std::unique_ptr<State> state);  // of what comes in pieces, while it comes

 private:
  std::unique_ptr<State> state_;
};

// A pass over the events for who wants to pull them.
class EventReader {
 public:
  // The capture must live longer. Throws as Capture::require_events() does.
  EventReader(const Capture& capture, Columns columns);
  ~EventReader();
  EventReader(EventReader&&) noexcept;
  EventReader& operator=(EventReader&&) noexcept;

  // The next few thousand events, valid until the next call; none when all are read.
  std::span<const Event> next();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace memray
