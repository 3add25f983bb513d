// `memray stats`: totals over all allocations of a recording.

#include <memray/reporter.h>

#include <limits>
#include <ostream>

#include "report.h"

namespace memray::stats {
namespace {

class Stats : public Reporter {
 public:
  void declare(ReporterOptions& options) const override {
    options.integer("num-largest", 'n', 5, 1, std::numeric_limits<std::int32_t>::max(),
                    "Locations and modules to show in each list");
    options.flag("json", '\0', "Write JSON to a file");
    options.output_file_of_whole_name(".json");
  }

  int run(ReportContext& context) override {
    const bool json = context.flag("json");
    if (!json && context.given("output")) throw ReportError("--output is for --json: the text goes to standard output");

    const Capture& capture = context.capture();
    const auto largest = static_cast<std::size_t>(context.integer("num-largest"));
    if (!json) {
      context.out() << text_report(capture, statistics(capture, largest));
      return 0;
    }
    std::ostream& file = context.output();
    file << json_report(capture, statistics(capture, largest));
    context.commit_output();
    return 0;
  }
};

}  // namespace
}  // namespace memray::stats

MEMRAY_REPORTER(memray::stats::Stats, "stats", "Totals, sizes and top locations of all allocations", "0.1.0")
