// What the live view shows: which part of a recording was chosen, as rows and figures that stay when the recording goes
// on. Knows nothing of terminals.
#pragma once

#include "live/watcher.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace memray::cli {

struct LiveRow {
  std::string function;
  std::string file;
  std::uint64_t total = 0, own = 0, count = 0;
};

enum class LiveSort { total, own, count };

struct MemoryPoint {
  std::uint64_t heap = 0, rss = 0;
};

// Figures of the recording as a whole.
struct LiveHeader {
  std::uint32_t pid = 0;
  std::string command;
  Time duration{};
  std::uint64_t samples = 0;
  std::uint64_t heap = 0, max_heap = 0, rss = 0, max_rss = 0;  // bytes
  std::uint64_t allocations = 0;                               // ever
  std::vector<MemoryPoint> graph;                              // over all of the duration
  std::optional<double> marker;                                // of the moment that is shown, as a part of the duration
};

// The table.
struct LiveTable {
  std::vector<LiveRow> rows;  // in order of the sorting; those that the filter lets through
  std::uint64_t bytes = 0, count = 0;
  std::string who;   // "All threads", "Thread 1 of 3 (MainThread)", ...
  std::string what;  // "Live now", "Peak, at 1.234s", ...
};

class LiveModel {
 public:
  explicit LiveModel(live::Watcher& watcher) : watcher_(watcher) {}

  // Takes a look. The header always follows; the table does not while it is paused.
  void update(std::size_t graph_width);
  // The table anew, after one of these choices.
  void refresh();

  const LiveHeader& header() const { return header_; }
  const LiveTable& table() const { return table_; }

  void sort_by(LiveSort sort);
  LiveSort sort() const { return sort_; }
  void filter(std::string text);
  const std::string& filter() const { return filter_; }
  void next_view();
  void pause() { paused_ = !paused_; }
  bool paused() const { return paused_; }
  void merge_threads();
  void step_thread(int by);   // -1: the one before; tells threads apart if they are merged
  void step_process(int by);  // from all to each of them
  void step_time(int by);     // among the moments, or ages, that are known
  void now();                 // back from the past

  // Writes what is shown as a capture. Throws ReportError, CaptureError.
  void save(const std::string& path) const;
  std::string default_file() const;

 private:
  struct Choices {
    std::vector<std::uint32_t> pids;
    std::vector<ThreadId> threads;  // of the process that is chosen
  };
  Choices choices(const Definitions& definitions) const;
  void look_at_figures(const live::LiveState& state, std::size_t graph_width);
  void look_at_table(const live::LiveState& state);
  std::string describe_time(const live::LiveState& state) const;
  std::string describe_who(const Definitions& definitions) const;
  void select(const Definitions& definitions, Snapshot& snapshot) const;
  void step(const std::function<void(const Choices&)>& choose);
  std::vector<Time> times(const live::LiveState& state) const;
  void arrange();

  live::Watcher& watcher_;
  LiveHeader header_;
  LiveTable table_;
  std::vector<LiveRow> rows_;  // all of them
  live::View view_ = live::View::current;
  std::optional<Time> time_;      // nothing: now
  std::uint64_t beginnings_ = 0;  // of the stream, when it was looked at
  LiveSort sort_ = LiveSort::total;
  std::string filter_;
  bool paused_ = false;
  std::optional<ThreadId> thread_;    // nothing: all
  std::optional<std::uint32_t> pid_;  // nothing: all
};

}  // namespace memray::cli
