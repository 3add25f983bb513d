// The lines around one of a source file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace memray::tree {

struct SourceLine {
  std::uint32_t number = 0;
  std::string text;  // tabs expanded, safe to show
};

// At most `height` lines with `line` in the middle; empty where the file cannot be read or has fewer lines.
std::vector<SourceLine> source_excerpt(std::string_view file, std::uint32_t line, std::uint32_t height);

}  // namespace memray::tree
