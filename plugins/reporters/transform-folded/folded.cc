// Folded stacks: "outermost;...;innermost bytes", a line for every stack, as flamegraph.pl and inferno read them.

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "transform-common/format.h"

namespace memray::transform {
namespace {

std::string folded(const Capture& capture, const Group& group, bool split) {
  std::vector<DisplayFrame> stack = display_stack(capture, group);
  std::string line = split ? printable(thread_label(capture.definitions(), group.thread)) : "";
  for (auto frame = stack.rbegin(); frame != stack.rend(); ++frame) {
    std::string text = frame_text(*frame);
    std::ranges::replace(text, ';', ':');
    line += (line.empty() ? "" : ";") + text;
  }
  return line.empty() ? "<no stack>" : line;
}

class Folded final : public Format {
  std::string suffix() const override { return ".folded"; }
  bool knows_threads() const override { return true; }
  void declare_more(ReporterOptions& options) const override {
    options.choice("metric", '\0', {"bytes", "allocations"}, "bytes", "What the numbers count");
  }

  void write(ReportContext& context, const Snapshot& snapshot, std::ostream& out) const override {
    const bool split = context.flag("split-threads");
    const bool bytes = context.text("metric") == "bytes";
    std::vector<std::pair<std::string, std::uint64_t>> lines;
    std::unordered_map<std::string, std::size_t> numbers;
    for (const Group& group : snapshot.groups) {
      const std::string line = folded(context.capture(), group, split);
      const auto [entry, fresh] = numbers.try_emplace(line, lines.size());
      if (fresh) lines.emplace_back(line, 0);
      lines[entry->second].second += bytes ? group.bytes : group.count;
    }
    for (const auto& [line, sum] : lines) out << line << ' ' << sum << '\n';
  }
};

}  // namespace
}  // namespace memray::transform

MEMRAY_REPORTER(memray::transform::Folded, "transform-folded", "Folded stacks for flamegraph.pl and inferno", "0.1.0")
