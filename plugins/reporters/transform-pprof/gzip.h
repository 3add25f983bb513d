#pragma once

#include <string>
#include <string_view>

namespace memray::transform {

std::string gzip(std::string_view bytes);  // throws ReportError

}  // namespace memray::transform
