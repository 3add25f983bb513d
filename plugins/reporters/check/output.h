#pragma once

#include <string>
#include <vector>

#include "limits.h"

namespace memray::check {

std::string text_report(const std::vector<Outcome>& outcomes);
std::string json_report(const Capture& capture, const std::vector<Outcome>& outcomes);
std::string junit_report(const Capture& capture, const std::vector<Outcome>& outcomes);

}  // namespace memray::check
