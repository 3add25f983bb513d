#include "html_common/memory_curve.h"

#include <catch2/catch.hpp>

namespace memray::html {
namespace {

MemorySample sample(std::int64_t milliseconds, std::uint32_t process, std::uint64_t rss, std::uint64_t heap) {
  return {Time{milliseconds * 1'000'000}, ProcessId{process}, rss, heap};
}

}  // namespace

TEST_CASE("one point a sample where there are few") {
  const std::vector<MemorySample> samples = {sample(0, 0, 10, 1), sample(10, 0, 30, 5), sample(20, 0, 20, 2)};
  const std::vector<MemoryPoint> points = memory_curve(samples, 100);
  REQUIRE(points.size() == 3);
  CHECK(points[1].milliseconds == 10);
  CHECK(points[1].rss == 30);
  CHECK(points[1].heap == 5);
  CHECK(points[2].rss == 20);
}

TEST_CASE("many samples share points, and the peaks stay") {
  std::vector<MemorySample> samples;
  for (std::int64_t i = 0; i < 100'003; ++i) samples.push_back(sample(i, 0, i == 77'777 ? 900 : 100, i == 5 ? 800 : 7));
  const std::vector<MemoryPoint> points = memory_curve(samples, 1000);
  CHECK(points.size() <= 1000);
  CHECK(points.size() > 900);
  std::uint64_t rss = 0, heap = 0;
  for (const MemoryPoint& point : points) rss = std::max(rss, point.rss), heap = std::max(heap, point.heap);
  CHECK(rss == 900);
  CHECK(heap == 800);
}

TEST_CASE("resident memory of several processes is added up while they live") {
  const std::vector<MemorySample> samples = {sample(0, 0, 100, 1), sample(1, 1, 50, 1), sample(2, 0, 110, 1),
                                             sample(3, 1, 60, 1), sample(4, 0, 120, 1)};
  const std::vector<MemoryPoint> points = memory_curve(samples, 100);
  std::vector<std::uint64_t> rss;
  for (const MemoryPoint& point : points) rss.push_back(point.rss);
  CHECK(rss == std::vector<std::uint64_t>{100, 150, 160, 170, 120});
}

TEST_CASE("no samples, no points") { CHECK(memory_curve({}, 100).empty()); }

}  // namespace memray::html
