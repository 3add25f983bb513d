#include "query/histogram.h"

#include <catch2/catch.hpp>

namespace memray {

using Sizes = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

static std::vector<std::uint64_t> counts(const std::vector<SizeBin>& bins) {
  std::vector<std::uint64_t> result;
  result.reserve(bins.size());
  for (const SizeBin& bin : bins) result.push_back(bin.count);
  return result;
}

TEST_CASE("edges of the size histogram grow geometrically") {
  const auto bins =
      size_histogram(Sizes{{0, 3}, {10, 1}, {24, 1}, {25, 5}, {157, 2}, {158, 4}, {99'999, 1}, {100'000, 7}});
  // Python: [int(math.exp(log(10) + (log(100000) - log(10)) / 10 * (i + 1))) for i in range(10)]
  const std::vector<std::uint64_t> edges = {25, 63, 158, 398, 1000, 2511, 6309, 15848, 39810};
  REQUIRE(bins.size() == 10);
  REQUIRE(bins.front().min_bytes == 0);
  for (std::size_t i = 0; i < edges.size(); ++i) {
    REQUIRE(bins[i].max_bytes == edges[i] - 1);
    REQUIRE(bins[i + 1].min_bytes == edges[i]);
  }
  REQUIRE(bins.back().max_bytes == 100'000);
  REQUIRE(counts(bins) == std::vector<std::uint64_t>{5, 5, 2, 4, 0, 0, 0, 0, 0, 8});
}

TEST_CASE("every size lies in the bin that counts it") {
  Sizes sizes;
  for (std::uint64_t size = 1; size < 5000; size = size * 9 / 8 + 1) sizes.emplace_back(size, size % 7 + 1);
  const auto bins = size_histogram(sizes);
  for (const SizeBin& bin : bins) {
    std::uint64_t inside = 0;
    for (const auto& [size, count] : sizes)
      if (size >= bin.min_bytes && size <= bin.max_bytes) inside += count;
    REQUIRE(bin.count == inside);
  }
}

TEST_CASE("one size alone is in the last bin") {
  const auto bins = size_histogram(Sizes{{1000, 6}});
  REQUIRE(bins[0].max_bytes == 43);  // the lower edge is halved in logarithms
  REQUIRE(counts(bins) == std::vector<std::uint64_t>{0, 0, 0, 0, 0, 0, 0, 0, 0, 6});
  REQUIRE(size_histogram(Sizes{{1, 2}}).back().count == 2);
}

TEST_CASE("no sizes, and sizes of zero only, have a histogram") {
  REQUIRE(counts(size_histogram(Sizes{})) == std::vector<std::uint64_t>(10));
  REQUIRE(counts(size_histogram(Sizes{{0, 9}}))[0] == 9);
}

TEST_CASE("the largest size of all has a bin") {
  const auto bins = size_histogram(Sizes{{1, 1}, {0xffff'ffff'ffff'ffff, 1}});
  REQUIRE(bins.front().count == 1);
  REQUIRE(bins.back().count == 1);
}

}  // namespace memray
