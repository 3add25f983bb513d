#include "plugin/near_miss.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace memray {
namespace {

// Insertions, deletions, replacements and swaps of neighbours that lead from `a` to `b`.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), previous(b.size() + 1), row(b.size() + 1);
  std::iota(previous.begin(), previous.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, previous);
    std::swap(previous, row);
  }
  return previous[b.size()];
}

}  // namespace

std::string near_miss(std::string_view typed, std::span<const std::string> candidates) {
  std::string best;
  std::size_t limit = std::max<std::size_t>(typed.size() / 3, 1) + 1;
  for (const auto& candidate : candidates) {
    // A beginning of the name is near however much is missing.
    std::size_t d = distance(typed, candidate);
    if (typed.size() >= 2 && candidate.starts_with(typed)) d = std::min<std::size_t>(d, 1);
    if (d >= limit) continue;
    best = candidate;
    limit = d;
  }
  return best;
}

}  // namespace memray
