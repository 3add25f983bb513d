// What gprof2dot reads with `-f json`. Allocations without a stack have no place in a call graph and are left out.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "transform-common/format.h"
#include "transform-common/frame_numbers.h"

namespace memray::transform {
namespace {

class Gprof2dot final : public Format {
  std::string suffix() const override { return ".json"; }

  void write(ReportContext& context, const Snapshot& snapshot, std::ostream& out) const override {
    FrameNumbers functions(FrameNumbers::Lines::do_not_matter);
    out << R"({"version": 0, "costs": [{"description": "Memory", "unit": "bytes"}], "events": [)";
    const char* separator = "\n";
    for (const Group& group : snapshot.groups) {
      std::vector<std::uint32_t> chain;
      for (const DisplayFrame& frame : display_stack(context.capture(), group))
        chain.push_back(functions.number(frame));
      if (chain.empty()) continue;
      out << fmt::format("{}{{\"callchain\": [{}], \"cost\": [{}]}}", separator, fmt::join(chain, ", "), group.bytes);
      separator = ",\n";
    }
    out << "], \"functions\": [";
    separator = "\n";
    for (const DisplayFrame& frame : functions.frames()) {
      out << fmt::format("{}{{\"name\": {}, \"module\": {}}}", separator, json_string(frame.function),
                         json_string(frame.file));
      separator = ",\n";
    }
    out << "]}\n";
  }

  int run(ReportContext& context) override {
    const int code = Format::run(context);
    if (context.out_is_terminal())
      context.out() << "To draw it:  gprof2dot -f json FILE | dot -Tsvg -o graph.svg   (pip install gprof2dot; "
                       "apt install graphviz)\n";
    return code;
  }
};

}  // namespace
}  // namespace memray::transform

MEMRAY_REPORTER(memray::transform::Gprof2dot, "transform-gprof2dot", "JSON for gprof2dot, which draws call graphs",
                "0.1.0")
