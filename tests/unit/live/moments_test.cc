// Which moments are kept, and that they are kept in bounds.
#include "live/moments.h"

#include <catch2/catch.hpp>

#include <algorithm>

namespace memray::test {
namespace {

constexpr Time second(std::int64_t n) { return Time{n * 1'000'000'000}; }

}  // namespace

TEST_CASE("a looked-for moment is the latest one that is not later, and the first one if all are") {
  live::Moments moments;
  for (std::uint64_t i = 1; i <= 5; ++i) moments.add(second(static_cast<std::int64_t>(i)), {{}, {i * 10, i}});
  const auto bytes_at = [&](Time time) { return moments.at(time).at(1).bytes; };
  CHECK(bytes_at(second(3)) == 30);
  CHECK(bytes_at(Time{nanoseconds(second(4)) - 1}) == 30);
  CHECK(bytes_at(second(9)) == 50);
  CHECK(bytes_at(second(0)) == 10);
  CHECK(live::Moments().at(second(1)).empty());
}

TEST_CASE("an hour of moments stays within its limits, and is the sparser the longer ago") {
  const SiteTotals live(1000, SiteTotal{1, 1});
  live::Moments moments(std::size_t{2} << 20, 60);
  for (std::int64_t i = 0; i < 3600; ++i) {
    moments.add(second(i), live);
    REQUIRE(moments.bytes() <= std::size_t{2} << 20);
  }
  const std::vector<Time> times = moments.times();
  REQUIRE(times.size() <= 60);
  REQUIRE(times.size() > 40);
  CHECK(times.front() == second(0));
  CHECK(times.back() == second(3599));
  CHECK(std::ranges::is_sorted(times));
  const auto within = [&](std::int64_t from, std::int64_t to) {
    return std::ranges::count_if(times, [&](Time time) { return time >= second(from) && time < second(to); });
  };
  CHECK(within(3590, 3600) >= 4);
  CHECK(within(0, 1800) >= 3);
  CHECK(within(0, 1800) < within(1800, 3600));
}

TEST_CASE("where a single moment is too large, there is one") {
  live::Moments moments(100, 60);
  for (std::int64_t i = 0; i < 5; ++i) moments.add(second(i), SiteTotals(1000, SiteTotal{1, 1}));
  CHECK(moments.times() == std::vector{second(4)});
}

}  // namespace memray::test
