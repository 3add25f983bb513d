// A reporter that notes in the environment that it was loaded.
#include <memray/reporter.h>

#include <cstdlib>

namespace {

struct Probe final : memray::Reporter {
  void declare(memray::ReporterOptions&) const override {}
  int run(memray::ReportContext&) override { return 42; }
};

[[gnu::constructor]] void loaded() { setenv("MEMRAY_PROBE_LOADED", "1", 1); }

}  // namespace

MEMRAY_REPORTER(Probe, "probe", "Tells that it was loaded", "3.2.1")
