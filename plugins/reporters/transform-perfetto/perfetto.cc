// A trace in Chrome's JSON format, which ui.perfetto.dev and chrome://tracing show: memory as counters over time, what
// the functions that hold most held at the highest moment between two looks, and a mark where the peak is.

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>

#include "transform-common/format.h"

namespace memray::transform {
namespace {

constexpr std::size_t kMostPoints = 2000;

double microseconds(Time time) { return static_cast<double>(nanoseconds(time)) / 1000; }

class Trace {
 public:
  Trace(std::ostream& out, std::uint32_t pid) : out_(out), pid_(pid) { out_ << "{\"traceEvents\":["; }

  void name_process(std::string_view name) {
    add(fmt::format(R"({{"ph":"M","pid":{},"name":"process_name","args":{{"name":{}}}}})", pid_, json_string(name)));
  }
  // `values`: "name":number, ...
  void counter(std::string_view name, Time time, const std::string& values) {
    add(fmt::format(R"({{"ph":"C","pid":{},"ts":{:.3f},"name":{},"args":{{{}}}}})", pid_, microseconds(time),
                    json_string(name), values));
  }
  void mark(std::string_view name, Time time) {
    add(fmt::format(R"({{"ph":"i","s":"p","pid":{},"tid":0,"ts":{:.3f},"name":{}}})", pid_, microseconds(time),
                    json_string(name)));
  }
  void finish() { out_ << "\n],\"displayTimeUnit\":\"ms\"}\n"; }

 private:
  void add(const std::string& event) {
    out_ << separator_ << event;
    separator_ = ",\n";
  }

  std::ostream& out_;
  std::uint32_t pid_;
  const char* separator_ = "\n";
};

// By slot, what each of the functions that come up highest held.
struct FunctionCurves {
  std::vector<std::string> names;
  std::vector<std::vector<std::uint64_t>> bytes;
};

std::string function_name(const Capture& capture, const Group& group) {
  const std::vector<DisplayFrame> stack = display_stack(capture, group);
  return stack.empty() ? "<no stack>" : printable(stack.front().function);
}

FunctionCurves function_curves(const Capture& capture, const Temporal& live, std::size_t most) {
  const std::size_t slots = live.high_water.size();
  std::map<std::string, std::vector<std::uint64_t>> curves;
  for (const TemporalGroup& group : live.groups) {
    auto& curve = curves[function_name(capture, group.group)];
    curve.resize(slots);
    for (const Interval& interval : group.intervals)
      for (std::size_t slot = interval.allocated_before; slot < interval.deallocated_before.value_or(slots); ++slot)
        curve[slot] += interval.bytes;
  }
  std::vector<std::pair<std::uint64_t, std::string>> heights;
  for (const auto& [name, curve] : curves) heights.emplace_back(*std::ranges::max_element(curve), name);
  std::ranges::stable_sort(heights, std::greater<>(), &std::pair<std::uint64_t, std::string>::first);

  FunctionCurves result;
  std::vector<std::uint64_t> rest(slots);
  for (std::size_t i = 0; i < heights.size(); ++i) {
    std::vector<std::uint64_t>& curve = curves[heights[i].second];
    if (i < most) {
      result.names.push_back(heights[i].second);
      result.bytes.push_back(std::move(curve));
      continue;
    }
    for (std::size_t slot = 0; slot < slots; ++slot) rest[slot] += curve[slot];
  }
  if (heights.size() > most) {
    result.names.emplace_back("(all others)");
    result.bytes.push_back(std::move(rest));
  }
  return result;
}

class Perfetto final : public Reporter {
  void declare(ReporterOptions& options) const override {
    options.output_file(".trace.json");
    options.integer("max-functions", 'n', 10, 0, 100, "Functions to show over time");
  }

  int run(ReportContext& context) override {
    const Capture& capture = context.capture();
    const Metadata& metadata = capture.metadata();
    Trace trace(context.output(), metadata.pid);
    trace.name_process(metadata.command_line.empty() ? "program" : metadata.command_line);
    for (const TimelinePoint& point : timeline(capture, kMostPoints)) {
      trace.counter("Resident memory", point.time, fmt::format("\"bytes\":{}", point.rss));
      trace.counter("Heap", point.time, fmt::format("\"bytes\":{}", point.heap));
    }
    const Snapshot highest = peak(capture);
    trace.mark(fmt::format("peak: {}", size_text(highest.bytes)), highest.time);
    const auto functions = static_cast<std::size_t>(context.integer("max-functions"));
    if (functions > 0 && !metadata.aggregated) add_functions(capture, functions, trace);
    trace.finish();
    context.commit_output();
    return 0;
  }

  static void add_functions(const Capture& capture, std::size_t most, Trace& trace) {
    const Temporal live = temporal(capture, TemporalKind::high_water, kMostPoints);
    const FunctionCurves curves = function_curves(capture, live, most);
    for (std::size_t slot = 0; slot < live.high_water.size(); ++slot) {
      const Time time = slot == 0 ? Time{} : live.slots[slot - 1];
      trace.counter("Highest heap", time, fmt::format("\"bytes\":{}", live.high_water[slot]));
      for (std::size_t i = 0; i < curves.names.size(); ++i)
        trace.counter("Heap of " + curves.names[i], time, fmt::format("\"bytes\":{}", curves.bytes[i][slot]));
    }
  }
};

}  // namespace
}  // namespace memray::transform

MEMRAY_REPORTER(memray::transform::Perfetto, "transform-perfetto",
                "Memory over time as a trace for ui.perfetto.dev and chrome://tracing", "0.1.0")
