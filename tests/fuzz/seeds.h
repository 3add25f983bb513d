// Small captures with something of everything in them.
#pragma once

#include <string>
#include <vector>

namespace memray::fuzz {

std::vector<std::string> seeds();

}  // namespace memray::fuzz
