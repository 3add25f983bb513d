// `memray check`: whether a recording keeps within limits, for continuous integration. Exit code 0 if it does, 1 if
// not.

#include <fmt/format.h>
#include <memray/reporter.h>

#include <algorithm>
#include <fstream>
#include <limits>

#include "output.h"

namespace memray::check {
namespace {

void write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) throw ReportError("could not write " + path);
}

class Check final : public Reporter {
  void declare(ReporterOptions& options) const override {
    options.text("max-peak", '\0', "", "Most bytes at the peak, as in 512MB or 2GiB");
    options.text("max-leaks", '\0', "", "Most bytes never freed");
    options.integer("max-allocations", '\0', 0, 0, std::numeric_limits<std::int64_t>::max(),
                    "Most allocations in all, if given");
    options.text("baseline", '\0', "", "An older capture: neither peak nor leaks may be above its");
    options.text("tolerance", '\0', "0%", "How far above the baseline is fine: a part as 5%, or a size as 10MB");
    options.flag("baseline-allocations", '\0', "Compare the number of allocations with the baseline's, too");
    options.flag("allow-incomplete", '\0', "Do not fail because the recording was cut short");
    options.flag("json", '\0', "Print JSON");
    options.text("junit", '\0', "", "Write a JUnit report to this file as well");
  }

  int run(ReportContext& context) override {
    const bool limited = context.given("max-peak") || context.given("max-leaks") || context.given("max-allocations") ||
                         context.given("baseline");
    if (!limited)
      throw ReportUsageError("nothing to check: give --max-peak, --max-leaks, --max-allocations or --baseline");
    const std::vector<Outcome> outcomes = check_all(context);
    context.out() << (context.flag("json") ? json_report(context.capture(), outcomes)
                                           : text_report(outcomes, context.out_is_terminal() ? context.columns() : 0));
    if (context.given("junit")) write_file(context.text("junit"), junit_report(context.capture(), outcomes));
    return std::ranges::all_of(outcomes, &Outcome::passed) ? 0 : 1;
  }
};

}  // namespace
}  // namespace memray::check

MEMRAY_REPORTER(memray::check::Check, "check", "Whether a recording keeps within limits, for continuous integration",
                "0.1.0")
