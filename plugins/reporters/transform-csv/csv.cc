// A line for every group of allocations, for spreadsheets and scripts.

#include <fmt/format.h>

#include <cctype>

#include "transform-common/format.h"

namespace memray::transform {
namespace {

std::string upper(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return result;
}

// Quoted where it has to be.
std::string field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

std::string stack_text(const std::vector<DisplayFrame>& stack) {
  std::string text;
  for (const DisplayFrame& frame : stack) {
    if (!text.empty()) text += '|';
    text += fmt::format("{};{};{}", printable(frame.function), printable(frame.file), frame.line);
  }
  return text;
}

class Csv final : public Format {
  std::string suffix() const override { return ".csv"; }
  bool knows_threads() const override { return true; }

  void write(ReportContext& context, const Snapshot& snapshot, std::ostream& out) const override {
    const Capture& capture = context.capture();
    out << "allocator,num_allocations,size,tid,thread_name,stack_trace\n";
    for (const Group& group : snapshot.groups) {
      const bool merged = group.thread == kMergedThreads;
      out << fmt::format("{},{},{},{},{},{}\n", upper(name(group.allocator)), group.count, group.bytes,
                         merged ? -1 : static_cast<std::int64_t>(index(group.thread)),
                         field(printable(thread_label(capture.definitions(), group.thread))),
                         field(stack_text(display_stack(capture, group))));
    }
  }
};

}  // namespace
}  // namespace memray::transform

MEMRAY_REPORTER(memray::transform::Csv, "transform-csv", "Comma separated values, a line for every stack", "0.1.0")
