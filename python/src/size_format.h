#pragma once

#include <cmath>
#include <string>

#include <fmt/format.h>

namespace memray::python {

// SI units, always three decimals, as users of memray.size_fmt expect.
inline std::string size_format(double bytes, const char* suffix = "B") {
  for (const char* const unit : {"", "k", "M", "G", "T", "P", "E", "Z"}) {
    if (std::fabs(bytes) < 1000.0) return fmt::format("{:.3f}{}{}", bytes, unit, suffix);
    bytes /= 1000.0;
  }
  return fmt::format("{:.3f}Y{}", bytes, suffix);
}

}  // namespace memray::python
