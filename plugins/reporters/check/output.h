#pragma once

#include <string>
#include <vector>

#include "limits.h"

namespace memray::check {

// Lines are not longer than `columns`, unless that is 0.
std::string text_report(const std::vector<Outcome>& outcomes, int columns);
std::string json_report(const Capture& capture, const std::vector<Outcome>& outcomes);
std::string junit_report(const Capture& capture, const std::vector<Outcome>& outcomes);

}  // namespace memray::check
