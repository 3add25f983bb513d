// Allocation sizes in ten bins.
#pragma once

#include <memray/query.h>

#include <span>
#include <utility>

namespace memray {

// `count_by_size` holds (size, allocations) pairs, sizes ascending.
std::vector<SizeBin> size_histogram(std::span<const std::pair<std::uint64_t, std::uint64_t>> count_by_size);

}  // namespace memray
