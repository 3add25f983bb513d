// memray top: the functions that held most memory themselves, at the peak or as leaks.
//
// A reporter outside memray's source tree, and all there is to one: options, a question to the capture, an answer.
#include <memray/reporter.h>

#include <algorithm>
#include <iomanip>
#include <ostream>

namespace {

class Top final : public memray::Reporter {
 public:
  void declare(memray::ReporterOptions& options) const override {
    options.integer("number", 'n', 10, 1, 1000, "How many functions to show");
    options.views();
  }

  int run(memray::ReportContext& context) override {
    const auto& capture = context.capture();
    const auto snapshot = memray::snapshot(capture, context.selection());
    auto functions = memray::functions(capture, snapshot);
    std::stable_sort(functions.begin(), functions.end(),
                     [](const auto& a, const auto& b) { return a.own_bytes > b.own_bytes; });
    functions.resize(std::min(functions.size(), static_cast<std::size_t>(context.integer("number"))));
    for (const auto& function : functions)
      context.out() << std::setw(14) << function.own_bytes << "  " << function.function << '\n';
    return 0;
  }
};

}  // namespace

MEMRAY_REPORTER(Top, "top", "Show the functions that hold most memory", "1.0")
