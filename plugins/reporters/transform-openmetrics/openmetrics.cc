// OpenMetrics text: a recording as numbers for Prometheus and its like. Totals, and the functions that hold most; every
// function would be more series than a monitoring system wants.

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "transform-common/format.h"

namespace memray::transform {
namespace {

std::string label(std::string_view text) {
  std::string escaped;
  for (const char c : printable(text)) {
    if (c == '\\' || c == '"') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

class Metrics {
 public:
  explicit Metrics(std::ostream& out) : out_(out) {}

  void family(std::string_view name, std::string_view type, std::string_view unit, std::string_view help) {
    out_ << fmt::format("# TYPE {0} {1}\n", name, type);
    if (!unit.empty()) out_ << fmt::format("# UNIT {} {}\n", name, unit);
    out_ << fmt::format("# HELP {} {}\n", name, help);
  }
  void sample(std::string_view name, const std::string& labels, std::uint64_t value) {
    out_ << fmt::format("{}{{{}}} {}\n", name, labels, value);
  }
  void single(std::string_view name, std::string_view type, std::string_view unit, std::string_view help,
              const std::string& labels, std::uint64_t value) {
    family(name, type, unit, help);
    sample(fmt::format("{}{}", name, type == "counter" ? "_total" : ""), labels, value);
  }

 private:
  std::ostream& out_;
};

class OpenMetrics final : public Format {
  std::string suffix() const override { return ".om"; }
  void declare_more(ReporterOptions& options) const override {
    options.integer("max-functions", 'n', 20, 0, 10'000, "Functions to write numbers of");
  }

  void write(ReportContext& context, const Snapshot& snapshot, std::ostream& out) const override {
    const Capture& capture = context.capture();
    const Totals& totals = capture.totals();
    const std::string program = fmt::format("command=\"{}\"", label(capture.metadata().command_line));
    const std::string of_view = fmt::format("{},view=\"{}\"", program, name(context.view()));
    Metrics metrics(out);
    metrics.single("memray_allocations", "counter", "", "Allocations recorded.", program, totals.allocations);
    metrics.single("memray_allocated_bytes", "counter", "bytes", "Bytes allocated in total.", program,
                   totals.allocated_bytes);
    metrics.single("memray_peak_bytes", "gauge", "bytes", "Highest sum of live bytes.", program, totals.peak_bytes);
    metrics.single("memray_snapshot_bytes", "gauge", "bytes", "Bytes in what is reported.", of_view, snapshot.bytes);
    metrics.single("memray_snapshot_allocations", "gauge", "", "Allocations in what is reported.", of_view,
                   snapshot.count);

    std::vector<FunctionTotal> rows = functions(capture, snapshot);
    std::ranges::stable_sort(rows, std::greater<>(), &FunctionTotal::own_bytes);
    rows.resize(std::min(rows.size(), static_cast<std::size_t>(context.integer("max-functions"))));
    const auto labels = [&](const FunctionTotal& row) {
      return fmt::format("{},function=\"{}\",file=\"{}\"", of_view, label(row.function), label(row.file));
    };
    metrics.family("memray_function_own_bytes", "gauge", "bytes", "Bytes allocated by a function itself.");
    for (const FunctionTotal& row : rows) metrics.sample("memray_function_own_bytes", labels(row), row.own_bytes);
    metrics.family("memray_function_total_bytes", "gauge", "bytes", "Bytes allocated by a function and what it calls.");
    for (const FunctionTotal& row : rows) metrics.sample("memray_function_total_bytes", labels(row), row.total_bytes);
    out << "# EOF\n";
  }
};

}  // namespace
}  // namespace memray::transform

MEMRAY_REPORTER(memray::transform::OpenMetrics, "transform-openmetrics", "OpenMetrics text for Prometheus and its like",
                "0.1.0")
