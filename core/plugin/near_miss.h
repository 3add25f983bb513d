// "Did you mean": the candidate that a mistyped name is most likely meant to be.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace memray {

// "" if none is near enough.
std::string near_miss(std::string_view typed, std::span<const std::string> candidates);

}  // namespace memray
