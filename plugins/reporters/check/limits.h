// What is checked, and how it came out.
#pragma once

#include <memray/reporter.h>

#include <optional>
#include <string>
#include <vector>

namespace memray::check {

struct Outcome {
  std::string name;  // "max-peak", "baseline-leaks", ...
  bool passed = true;
  std::string reason;                // one line
  std::vector<std::string> details;  // where it failed: what to look at
  std::optional<std::uint64_t> value, limit;
};

// "5%" of the baseline, or a size.
struct Tolerance {
  double part = 0;
  std::uint64_t bytes = 0;
  std::uint64_t limit(std::uint64_t baseline, bool is_bytes) const;
};
Tolerance parse_tolerance(const std::string& text);  // throws ReportUsageError

// The limits that the options set, all of them, in the order of the options.
std::vector<Outcome> check_all(const ReportContext& context);

}  // namespace memray::check
