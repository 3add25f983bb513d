// `memray summary`: who holds the memory, as a table of functions.

#include <fmt/format.h>
#include <memray/reporter.h>
#include <memray/text.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <limits>
#include <ostream>
#include <utility>

#include "table.h"

namespace memray::summary {
namespace {

void sort(std::vector<FunctionTotal>& rows, SortColumn column) {
  const auto key = [&](const FunctionTotal& row) {
    switch (column) {
      case SortColumn::own:
      case SortColumn::own_percent:
        return std::pair(row.own_bytes, row.total_bytes);
      case SortColumn::count:
        return std::pair(row.count, row.total_bytes);
      case SortColumn::total:
      case SortColumn::total_percent:
        break;
    }
    return std::pair(row.total_bytes, row.own_bytes);
  };
  std::ranges::stable_sort(rows, std::greater<>(), key);
}

std::string count_text(std::uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::size_t default_rows(const ReportContext& context) {
  return static_cast<std::size_t>(std::max(context.lines() - 5, 10));
}

void print_json(const ReportContext& context, const Snapshot& snapshot, const std::vector<FunctionTotal>& rows) {
  const Metadata& metadata = context.capture().metadata();
  std::string text = fmt::format(
      "{{\n  \"view\": \"{}\",\n  \"total_bytes\": {},\n  \"num_allocations\": {},\n  \"command_line\": {},\n"
      "  \"pid\": {},\n  \"ending\": {},\n  {}\"locations\": [",
      name(context.view()), snapshot.bytes, snapshot.count, json_string(metadata.command_line), metadata.pid,
      json_string(describe(metadata.ending)),
      metadata.dropped_events > 0 ? fmt::format("\"dropped_events\": {},\n  ", metadata.dropped_events) : "");
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const FunctionTotal& row = rows[i];
    fmt::format_to(std::back_inserter(text),
                   "{}\n    {{\"function\": {}, \"file\": {}, \"total_bytes\": {}, \"own_bytes\": {}, "
                   "\"num_allocations\": {}}}",
                   i == 0 ? "" : ",", json_string(row.function), json_string(row.file), row.total_bytes, row.own_bytes,
                   row.count);
  }
  text += rows.empty() ? "]\n}\n" : "\n  ]\n}\n";
  context.out() << text;
}

void print_text(const ReportContext& context, const Snapshot& snapshot, const std::vector<FunctionTotal>& rows,
                std::size_t functions, SortColumn sorted) {
  const Capture& capture = context.capture();
  const Metadata& metadata = capture.metadata();
  const std::size_t width = context.out_is_terminal() ? static_cast<std::size_t>(std::max(context.columns(), 1)) : 0;
  const auto line = [&](std::string_view label, const std::string& value) {
    const std::string text = fmt::format("{:<14} {}", label, value);
    context.out() << (width == 0 ? text : shorten_middle(text, width)) << '\n';
  };
  line(title(context.view()),
       fmt::format("{} in {}{}", size_text(snapshot.bytes), count_text(snapshot.count, "allocation"),
                   context.view() == View::peak && snapshot.count > 0
                       ? fmt::format(", after {}", duration_text(nanoseconds(snapshot.time)))
                       : ""));
  line("All in all", fmt::format("{} in {}", size_text(capture.totals().allocated_bytes),
                                 count_text(capture.totals().allocations, "allocation")));
  line("Command", printable(metadata.command_line));
  line("Program", describe(metadata.ending));
  for (const std::string& reservation : reservations(metadata)) line("Note", reservation);
  context.out() << '\n' << render(rows, {sorted, snapshot.bytes, width, context.colour()});
  if (functions == 0)
    context.out() << nothing(context.view()) << '\n';
  else if (rows.size() < functions)
    context.out() << fmt::format("{} of {} shown; -r N shows N of them.\n", rows.size(),
                                 count_text(functions, "function"));
}

class Summary : public Reporter {
 public:
  void declare(ReporterOptions& options) const override {
    options.integer("sort-column", 's', 1, 1, 5,
                    "Sort by 1 total memory, 2 total memory %, 3 own memory, 4 own memory %, 5 allocation count");
    options.integer("max-rows", 'r', 0, 0, std::numeric_limits<std::int32_t>::max(),
                    "Functions to show; 0 fills the screen (all of them with --json)");
    options.flag("json", '\0', "Print JSON");
    options.views();
  }

  int run(ReportContext& context) override {
    const Snapshot live = snapshot(context.capture(), context.selection());
    std::vector<FunctionTotal> rows = functions(context.capture(), live);
    const std::size_t found = rows.size();
    const auto sorted = static_cast<SortColumn>(context.integer("sort-column"));
    sort(rows, sorted);

    const bool json = context.flag("json");
    auto wanted = static_cast<std::size_t>(context.integer("max-rows"));
    if (wanted == 0) wanted = json ? found : default_rows(context);
    rows.resize(std::min(wanted, found));

    if (json)
      print_json(context, live, rows);
    else
      print_text(context, live, rows, found, sorted);
    return 0;
  }
};

}  // namespace
}  // namespace memray::summary

MEMRAY_REPORTER(memray::summary::Summary, "summary", "Table of the functions that hold the memory", "0.1.0")
