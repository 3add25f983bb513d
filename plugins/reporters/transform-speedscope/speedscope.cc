// The file format of https://www.speedscope.app: two profiles over the same stacks, by bytes and by allocations. Equal
// stacks are one sample, whatever allocated; what weighs nothing is no sample.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "transform-common/format.h"
#include "transform-common/frame_numbers.h"

namespace memray::transform {
namespace {

struct Sample {
  std::vector<std::uint32_t> stack;  // outermost first
  std::uint64_t bytes = 0;
  std::uint64_t count = 0;
};

std::vector<Sample> samples_of(const Capture& capture, const Snapshot& snapshot, FrameNumbers& frames) {
  std::vector<Sample> samples;
  std::map<std::vector<std::uint32_t>, std::size_t> numbers;
  for (const Group& group : snapshot.groups) {
    std::vector<DisplayFrame> stack = display_stack(capture, group);
    std::reverse(stack.begin(), stack.end());
    std::vector<std::uint32_t> path;
    for (const DisplayFrame& frame : stack) path.push_back(frames.number(frame));
    const auto [entry, fresh] = numbers.try_emplace(path, samples.size());
    if (fresh) samples.push_back({std::move(path), 0, 0});
    samples[entry->second].bytes += group.bytes;
    samples[entry->second].count += group.count;
  }
  return samples;
}

std::string profile(std::string_view name, std::string_view unit, const std::vector<Sample>& samples,
                    std::uint64_t Sample::*weight) {
  std::string stacks;
  std::string weights;
  std::uint64_t sum = 0;
  for (const Sample& sample : samples) {
    if (sample.*weight == 0) continue;
    const char* const separator = sum == 0 ? "" : ",";
    fmt::format_to(std::back_inserter(stacks), "{}[{}]", separator, fmt::join(sample.stack, ","));
    fmt::format_to(std::back_inserter(weights), "{}{}", separator, sample.*weight);
    sum += sample.*weight;
  }
  return fmt::format(
      R"({{"type":"sampled","name":"{}","unit":"{}","startValue":0,"endValue":{},"samples":[{}],"weights":[{}]}})",
      name, unit, sum, stacks, weights);
}

class Speedscope final : public Format {
  std::string suffix() const override { return ".speedscope.json"; }

  void write(ReportContext& context, const Snapshot& snapshot, std::ostream& out) const override {
    FrameNumbers frames(FrameNumbers::Lines::matter);
    const std::vector<Sample> samples = samples_of(context.capture(), snapshot, frames);
    out << R"({"$schema":"https://www.speedscope.app/file-format-schema.json","shared":{"frames":[)";
    const char* separator = "";
    for (const DisplayFrame& frame : frames.frames()) {
      out << separator << R"({"name":)" << json_string(frame.function);
      if (!frame.file.empty()) out << R"(,"file":)" << json_string(frame.file);
      if (frame.line > 0) out << R"(,"line":)" << frame.line;
      out << '}';
      separator = ",";
    }
    const std::string& command = context.capture().metadata().command_line;
    out << "]},\"profiles\":[" << profile("Memory", "bytes", samples, &Sample::bytes) << ','
        << profile("Allocations", "none", samples, &Sample::count)
        << "],\"name\":" << json_string(command.empty() ? "memray" : command)
        << ",\"activeProfileIndex\":0,\"exporter\":\"memray@" MEMRAY_VERSION "\"}\n";
  }
};

}  // namespace
}  // namespace memray::transform

MEMRAY_REPORTER(memray::transform::Speedscope, "transform-speedscope", "JSON for speedscope.app", "0.1.0")
