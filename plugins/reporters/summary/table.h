// A table of functions, fitted to a width.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <memray/query.h>

namespace memray::summary {

// As numbered on the command line.
enum class SortColumn { total = 1, total_percent, own, own_percent, count };

struct TableStyle {
  SortColumn sorted = SortColumn::total;
  std::uint64_t whole = 0;  // bytes that percentages are of
  std::size_t width = 0;    // 0: as wide as it takes
  bool colour = false;
};

// "function at file", or "???" where there is no stack, in at most `width` columns (0: in full).
std::string location_text(std::string_view function, std::string_view file, std::size_t width = 0);

std::string render(const std::vector<FunctionTotal>& rows, const TableStyle& style);

}  // namespace memray::summary
