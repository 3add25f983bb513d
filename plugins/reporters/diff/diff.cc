// `memray diff`: what grew and what shrank between two recordings, or between two moments of one.

#include <fmt/format.h>
#include <memray/reporter.h>
#include <memray/text.h>

#include <algorithm>
#include <limits>
#include <ostream>

#include "difference.h"
#include "rows.h"

namespace memray::diff_report {
namespace {

std::string signed_size(std::int64_t bytes) {
  const auto size = static_cast<std::uint64_t>(bytes < 0 ? -bytes : bytes);
  return (bytes > 0 ? "+" : bytes < 0 ? "-" : "") + size_text(size);
}

std::string place(const DisplayFrame& frame) {
  std::string text(frame.function.empty() ? "<unknown>" : frame.function);
  if (!frame.file.empty()) text.append(" at ").append(frame.file);
  if (frame.line != 0) text.append(":").append(std::to_string(frame.line));
  return printable(text);
}

// The innermost frame in full, and by whom it was called.
std::string location(const Row& row) {
  if (row.stack.empty())
    return row.name.empty() ? "??"
                              "?"
                            : printable(row.name);
  constexpr std::size_t kCallers = 4;
  std::string text = place(row.stack.front());
  for (std::size_t i = 1; i < row.stack.size() && i <= kCallers; ++i) text += " < " + printable(row.stack[i].function);
  return row.stack.size() > kCallers + 1 ? text + " < …" : text;
}

// What is compared: two captures, each by the selection, or one at two moments.
class Compared {
 public:
  explicit Compared(ReportContext& context)
      : before_(context.capture(0)), after_(context.capture(context.captures() - 1)) {
    const auto moment = [&](std::string_view option) -> std::optional<Time> {
      if (!context.given(option)) return std::nullopt;
      const auto time = parse_duration(context.text(option));
      if (!time)
        throw ReportUsageError(fmt::format("--{}: {} is not a time like 1.5s or 300ms", option, context.text(option)));
      return Time{*time};
    };
    const auto first = moment("before");
    const auto second = moment("after");
    if (context.captures() == 1 ? !first || !second : first || second)
      throw ReportUsageError("give two captures, or one capture and two moments of it with --before and --after");
    if (first && (context.view() != View::peak || !context.selection().whole()))
      throw ReportUsageError(
          "--before and --after compare what was live; leave out --leaks, --temporary-..., --from and --to");
    const std::string by = context.text("by");
    const SnapshotOptions options{.merge_threads = by != "thread" && by != "process", .split_sizes = by == "size"};
    before_snapshot_ = first ? live_at(before_, *first, options) : snapshot(before_, context.selection(), options);
    after_snapshot_ = second ? live_at(after_, *second, options) : snapshot(after_, context.selection(), options);
  }

  Side before() const { return {before_, before_snapshot_}; }
  Side after() const { return {after_, after_snapshot_}; }

 private:
  const Capture& before_;
  const Capture& after_;
  Snapshot before_snapshot_, after_snapshot_;
};

std::string side_json(const Side& side) {
  return fmt::format("{{\"capture\": {}, \"command_line\": {}, \"total_bytes\": {}, \"num_allocations\": {}}}",
                     json_string(side.capture.path()), json_string(side.capture.metadata().command_line),
                     side.snapshot.bytes, side.snapshot.count);
}

std::string row_json(const Row& row, bool by_stack) {
  std::string what = by_stack ? "\"stack\": [" : "\"name\": " + json_string(row.name);
  for (std::size_t i = 0; i < row.stack.size(); ++i)
    what += fmt::format("{}{{\"function\": {}, \"file\": {}, \"line\": {}}}", i == 0 ? "" : ", ",
                        json_string(row.stack[i].function), json_string(row.stack[i].file), row.stack[i].line);
  if (by_stack) what += ']';
  return fmt::format(
      "{{{}, \"bytes_before\": {}, \"bytes_after\": {}, \"allocations_before\": {}, "
      "\"allocations_after\": {}}}",
      what, row.bytes_before, row.bytes_after, row.count_before, row.count_after);
}

void print_json(std::ostream& out, const Compared& compared, const std::vector<Row>& rows, const std::string& by) {
  out << "{\n  \"by\": \"" << by << "\",\n  \"before\": " << side_json(compared.before())
      << ",\n  \"after\": " << side_json(compared.after()) << ",\n  \"rows\": [";
  const char* separator = "\n    ";
  for (const Row& row : rows) {
    out << separator << row_json(row, by == "stack");
    separator = ",\n    ";
  }
  out << (rows.empty() ? "]\n}\n" : "\n  ]\n}\n");
}

// Where a capture has only sums of what places that allocate many sizes made.
void warn_of_unknown_sizes(const ReportContext& context, const Side& side) {
  std::uint64_t bytes = 0;
  std::uint64_t count = 0;
  for (const Group& group : side.snapshot.groups) {
    if (group.size_class != Group::kVaryingSizes) continue;
    bytes += group.bytes;
    count += group.count;
  }
  if (count == 0) return;
  context.warn(
      fmt::format("{} in {} allocations are in no size class: {} keeps, of places that allocate many sizes, only sums",
                  size_text(bytes), count, printable(side.capture.path())));
}

class Table {
 public:
  explicit Table(const ReportContext& context)
      : out_(context.out()),
        width_(context.out_is_terminal() ? static_cast<std::size_t>(std::max(context.columns(), 60)) : 0) {}

  void side(std::string_view label, const Side& side) {
    line(fmt::format("{:<7} {} in {} allocations: {}", label, size_text(side.snapshot.bytes), side.snapshot.count,
                     printable(side.capture.path())));
  }

  // The rows that are `wanted`.
  template <typename Iterator, typename Wanted>
  void section(std::string_view heading, Iterator row, Iterator end, Wanted wanted, std::size_t most) {
    std::size_t shown = 0;
    std::size_t found = 0;
    for (; row != end; ++row) {
      if (!wanted(*row) || ++found > most) continue;
      if (shown++ == 0) {
        line(fmt::format("\n{}:", heading));
        line(fmt::format("{:>11} {:>11} {:>11} {:>12}  {}", "Change", "Before", "After", "Allocations", "Location"));
      }
      line(fmt::format("{:>11} {:>11} {:>11} {:>+12}  {}", signed_size(row->change()), size_text(row->bytes_before),
                       size_text(row->bytes_after), row->count_change(), location(*row)));
    }
    if (found > shown) line(fmt::format("{} of {} shown; -r N shows N of them.", shown, found));
  }

  void line(const std::string& text) { out_ << (width_ == 0 ? text : shorten_middle(text, width_)) << '\n'; }

 private:
  std::ostream& out_;
  std::size_t width_;
};

void print_text(const ReportContext& context, const Compared& compared, const std::vector<Row>& rows,
                std::size_t most) {
  Table table(context);
  table.side("Before", compared.before());
  table.side("After", compared.after());
  const std::uint64_t before = compared.before().snapshot.bytes;
  const std::uint64_t after = compared.after().snapshot.bytes;
  const auto change = static_cast<std::int64_t>(after - before);
  std::string text = fmt::format("{:<7} {}", "Change", signed_size(change));
  if (before != 0)
    text += fmt::format(" ({:+.2f}%)", 100.0 * static_cast<double>(change) / static_cast<double>(before));
  table.line(text);
  const auto grew = [](const Row& row) { return row.change() > 0; };
  const auto shrank = [](const Row& row) { return row.change() < 0; };
  table.section("Grew", rows.begin(), rows.end(), grew, most);
  table.section("Shrank", rows.rbegin(), rows.rend(), shrank, most);
  if (std::ranges::all_of(rows, [](const Row& row) { return row.change() == 0; }))
    table.line("\nNothing grew or shrank.");
}

int write_html(ReportContext& context, const Compared& compared) {
  const Side before = compared.before();
  const Side after = compared.after();
  const html::PageOptions options = html::page_options(context);
  flamegraph::write_difference(context.output(), {before.capture, before.snapshot}, {after.capture, after.snapshot},
                               context.selection(), options);
  context.commit_output();
  return 0;
}

class DiffReport final : public Reporter {
  void declare(ReporterOptions& options) const override {
    options.captures(1, 2);
    options.views();
    options.text("before", '\0', "", "With one capture: the first moment, as in 1.5s or 300ms");
    options.text("after", '\0', "", "With one capture: the second moment");
    options.choice("by", '\0',
                   {"stack", "function", "file", "module", "library", "thread", "process", "allocator", "size"},
                   "stack", "What to compare by");
    options.integer("max-rows", 'r', 0, 0, std::numeric_limits<std::int32_t>::max(),
                    "Rows to show of what grew, and of what shrank; 0: 20 of them, all with --json");
    options.flag("json", '\0', "Print JSON");
    options.flag("html", '\0', "Write a flame graph of what grew and what shrank as one self-contained HTML file");
    options.exclusive({"json", "html"});
    options.output_file(".html");
    html::declare_page_options(options);
  }

  int run(ReportContext& context) override {
    const std::string by = context.text("by");
    if (context.flag("html") && by != "stack") throw ReportUsageError("--html compares stacks: leave out --by");
    if (!context.flag("html") && context.given("output")) throw ReportUsageError("--output is for --html");
    const Compared compared(context);
    if (context.flag("html")) return write_html(context, compared);
    warn_of_unknown_sizes(context, compared.before());
    if (context.captures() > 1) warn_of_unknown_sizes(context, compared.after());
    std::vector<Row> rows = rows_by(by, compared.before(), compared.after());
    auto most = static_cast<std::size_t>(context.integer("max-rows"));
    if (!context.flag("json")) {
      print_text(context, compared, rows, most == 0 ? 20 : most);
      return 0;
    }
    if (most != 0 && rows.size() > 2 * most)
      rows.erase(rows.begin() + static_cast<std::ptrdiff_t>(most), rows.end() - static_cast<std::ptrdiff_t>(most));
    print_json(context.out(), compared, rows, by);
    return 0;
  }
};

}  // namespace
}  // namespace memray::diff_report

MEMRAY_REPORTER(memray::diff_report::DiffReport, "diff", "What grew and what shrank between two recordings or moments",
                "0.1.0")
