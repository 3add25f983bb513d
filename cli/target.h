// From what the user typed to what will be executed.
//
// For Python that is exactly `interpreter script arguments`, as if memray were not there: sys.argv, sys.path and
// tracebacks are the program's own, and it needs nothing of memray in its environment.
#pragma once

#include "run_options.h"

#include <filesystem>

namespace memray::cli {

struct Target {
  std::filesystem::path executable;
  std::vector<std::string> argv;
  bool python = false;
  std::filesystem::path image;  // the ELF file behind `executable`
  std::string default_output;   // with %p
};

// Throws Failure or UsageError if there is no such program, or it cannot be recorded.
Target resolve_target(const RunOptions& options);

}  // namespace memray::cli
