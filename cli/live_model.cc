#include "live_model.h"

#include "report_file.h"

#include <fmt/format.h>
#include <memray/text.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <utility>

namespace memray::cli {
namespace {

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// By moment, all processes together.
std::map<Time, MemoryPoint> points_of(const std::vector<MemorySample>& samples) {
  std::map<Time, MemoryPoint> points;
  for (const MemorySample& sample : samples) {
    MemoryPoint& point = points[sample.time];
    point.heap = std::max(point.heap, sample.heap);
    point.rss += sample.rss;
  }
  return points;
}

double part(Time time, Time whole) {
  return nanoseconds(whole) <= 0 ? 1 : static_cast<double>(nanoseconds(time)) / static_cast<double>(nanoseconds(whole));
}

std::vector<MemoryPoint> graph_of(const std::map<Time, MemoryPoint>& points, Time duration, std::size_t width) {
  std::vector<MemoryPoint> graph(width);
  std::vector<bool> known(width);
  for (const auto& [time, point] : points) {
    const auto at = static_cast<std::size_t>(std::clamp(part(time, duration), 0.0, 1.0) * static_cast<double>(width));
    const std::size_t column = std::min(at, width - 1);
    graph[column] = {std::max(graph[column].heap, point.heap), std::max(graph[column].rss, point.rss)};
    known[column] = true;
  }
  for (std::size_t i = 1; i < width; ++i)
    if (!known[i]) graph[i] = graph[i - 1];
  return graph;
}

std::uint32_t pid_of(const Definitions& definitions, ThreadId thread) {
  return definitions.process(definitions.thread(thread).process).pid;
}

// The next one of `known`, or the one before, around the ends; the first, or the last, where there was none.
template <typename T>
std::optional<T> beside(const std::vector<T>& known, const std::optional<T>& chosen, int by) {
  const auto at = chosen ? std::ranges::find(known, *chosen) : known.end();
  if (at == known.end()) return by < 0 ? known.back() : known.front();
  const auto here = static_cast<std::size_t>(at - known.begin());
  return known[(here + (by < 0 ? known.size() - 1 : 1)) % known.size()];
}

}  // namespace

void LiveModel::update(std::size_t graph_width) {
  const auto state = watcher_.look();
  if (state->capture() == nullptr) return;
  look_at_figures(*state, graph_width);
  if (!paused_) look_at_table(*state);
}

void LiveModel::refresh() {
  const auto state = watcher_.look();
  if (state->capture() != nullptr) look_at_table(*state);
}

void LiveModel::look_at_figures(const live::LiveState& state, std::size_t graph_width) {
  const Metadata& metadata = state.capture()->metadata();
  header_.pid = metadata.pid;
  header_.command = printable(metadata.command_line);
  header_.duration = state.latest();
  header_.samples = state.sample_count();
  header_.heap = state.live_bytes();
  header_.max_heap = state.totals().peak_bytes;
  header_.allocations = state.totals().allocations;
  const auto points = points_of(state.samples());
  header_.rss = points.empty() ? 0 : points.rbegin()->second.rss;
  header_.max_rss = 0;
  for (const auto& [time, point] : points) header_.max_rss = std::max(header_.max_rss, point.rss);
  header_.graph = graph_width == 0 ? std::vector<MemoryPoint>{} : graph_of(points, header_.duration, graph_width);
  header_.marker.reset();
  if (time_) header_.marker = std::clamp(part(*time_, header_.duration), 0.0, 1.0);
}

// Those that have ever allocated: a shell that executes the program is not worth a choice.
LiveModel::Choices LiveModel::choices(const Definitions& definitions) const {
  std::vector<bool> seen(definitions.threads());
  for (std::uint32_t i = 0; i < definitions.sites(); ++i) {
    const ThreadId thread = definitions.site(SiteId{i}).thread;
    if (thread != kMergedThreads) seen[index(thread)] = true;
  }
  Choices found;
  for (std::uint32_t i = 0; i < seen.size(); ++i) {
    if (!seen[i]) continue;
    const std::uint32_t pid = pid_of(definitions, ThreadId{i});
    if (std::ranges::find(found.pids, pid) == found.pids.end()) found.pids.push_back(pid);
    if (!pid_ || *pid_ == pid) found.threads.push_back(ThreadId{i});
  }
  return found;
}

void LiveModel::select(const Definitions& definitions, Snapshot& snapshot) const {
  std::erase_if(snapshot.groups, [&](const Group& group) {
    if (thread_) return group.thread != *thread_;
    return group.thread == kMergedThreads || pid_of(definitions, group.thread) != *pid_;
  });
  snapshot.bytes = snapshot.count = 0;
  for (const Group& group : snapshot.groups) {
    snapshot.bytes += group.bytes;
    snapshot.count += group.count;
  }
}

std::string LiveModel::describe_who(const Definitions& definitions) const {
  const Choices who = choices(definitions);
  std::string text = "All threads";
  if (thread_) {
    const auto name = definitions.string(definitions.thread(*thread_).name);
    const auto number = std::ranges::find(who.threads, *thread_) - who.threads.begin() + 1;
    text = fmt::format("Thread {} of {}{}", number, who.threads.size(),
                       name.empty() ? "" : fmt::format(" ({})", printable(name)));
  }
  if (pid_) return text + fmt::format(" of PID {}", *pid_);
  return who.pids.size() < 2 ? text : text + fmt::format(", {} processes", who.pids.size());
}

std::vector<Time> LiveModel::times(const live::LiveState& state) const {
  return view_ == live::View::leaked ? state.ages() : state.moments();
}

std::string LiveModel::describe_time(const live::LiveState& state) const {
  const auto at = [](Time time) { return fmt::format("{:.1f}s", static_cast<double>(nanoseconds(time)) / 1e9); };
  switch (view_) {
    case live::View::current:
      return time_ ? "Live at " + at(*time_) : "Live now";
    case live::View::peak:
      return "Live at the peak";
    case live::View::leaked: {
      const auto age = time_ ? time_ : state.default_age();
      return age ? fmt::format("Leaked, made before {}", at(*age)) : "Leaked so far";
    }
  }
  return {};
}

void LiveModel::look_at_table(const live::LiveState& state) {
  const Capture& capture = *state.capture();
  if (std::exchange(beginnings_, state.beginnings()) != state.beginnings()) time_.reset();  // another past
  if (thread_ && index(*thread_) >= capture.definitions().threads()) thread_.reset();
  const bool all = !thread_ && !pid_;
  Snapshot snapshot = state.snapshot({view_, view_ == live::View::peak ? std::nullopt : time_, all});
  if (!all) select(capture.definitions(), snapshot);
  rows_.clear();
  for (const FunctionTotal& total : functions(capture, snapshot)) {
    const bool unknown = total.function.empty() && total.file.empty();
    rows_.push_back({unknown ? "<unknown>" : printable(total.function), printable(total.file), total.total_bytes,
                     total.own_bytes, total.count});
  }
  table_.bytes = snapshot.bytes;
  table_.count = snapshot.count;
  table_.who = describe_who(capture.definitions());
  table_.what = describe_time(state);
  arrange();
}

void LiveModel::arrange() {
  const std::string wanted = lower(filter_);
  table_.rows.clear();
  for (const LiveRow& row : rows_)
    if (wanted.empty() || lower(row.function).find(wanted) != std::string::npos ||
        lower(row.file).find(wanted) != std::string::npos)
      table_.rows.push_back(row);
  const auto key = [&](const LiveRow& row) {
    return sort_ == LiveSort::total ? row.total : sort_ == LiveSort::own ? row.own : row.count;
  };
  std::ranges::stable_sort(table_.rows, [&](const LiveRow& a, const LiveRow& b) { return key(a) > key(b); });
}

void LiveModel::sort_by(LiveSort sort) {
  sort_ = sort;
  arrange();
}

void LiveModel::filter(std::string text) {
  filter_ = std::move(text);
  arrange();
}

void LiveModel::next_view() {
  view_ = view_ == live::View::current ? live::View::peak
          : view_ == live::View::peak  ? live::View::leaked
                                       : live::View::current;
  now();
}

void LiveModel::now() {
  time_.reset();
  header_.marker.reset();
  refresh();
}

void LiveModel::merge_threads() {
  if (!thread_) return step_thread(1);
  thread_.reset();
  refresh();
}

void LiveModel::step_thread(int by) {
  step([&](const Choices& known) { thread_ = beside(known.threads, thread_, by); });
}

// All processes together are one choice more, at the end.
void LiveModel::step_process(int by) {
  step([&](const Choices& known) {
    const bool at_end = pid_ && *pid_ == (by < 0 ? known.pids.front() : known.pids.back());
    pid_ = at_end ? std::nullopt : beside(known.pids, pid_, by);
    thread_.reset();
  });
}

void LiveModel::step(const std::function<void(const Choices&)>& choose) {
  Choices known;
  {
    const auto state = watcher_.look();
    if (state->capture() != nullptr) known = choices(state->capture()->definitions());
  }
  if (known.threads.empty()) return;
  choose(known);
  refresh();
}

void LiveModel::step_time(int by) {
  if (view_ == live::View::peak) return;
  std::vector<Time> known;
  std::optional<Time> from = time_;
  {
    const auto state = watcher_.look();
    if (state->capture() == nullptr) return;
    known = times(*state);
    if (!from && view_ == live::View::leaked) from = state->default_age();
  }
  if (known.empty()) return;
  const auto after = from ? std::ranges::upper_bound(known, *from) : known.end();
  if (by > 0) {
    if (!from) return;
    if (after == known.end()) return now();
    time_ = *after;
  } else {
    const auto here = from ? std::ranges::lower_bound(known, *from) : known.end();
    time_ = here == known.begin() ? known.front() : *(here - 1);
  }
  refresh();
}

std::string LiveModel::default_file() const { return fmt::format("memray-live.{}.bin", header_.pid); }

void LiveModel::save(const std::string& path) const {
  ReportFile file(path, false);
  {
    const auto state = watcher_.look();
    state->save(view_ == live::View::current ? time_ : std::nullopt, [&](std::span<const std::byte> bytes) {
      file.stream().write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    });
  }
  file.commit();
}

}  // namespace memray::cli
