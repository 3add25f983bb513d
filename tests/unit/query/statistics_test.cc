#include <memray/query.h>

#include <catch2/catch.hpp>

#include "recording.h"

namespace memray::test {

TEST_CASE("statistics of nothing") {
  Recording recording;
  const Capture capture = recording.finish();
  const Statistics result = statistics(capture);
  REQUIRE(result.allocations == 0);
  REQUIRE(result.allocated_bytes == 0);
  REQUIRE(result.peak_bytes == 0);
  REQUIRE(result.histogram.size() == 10);
  REQUIRE(result.count_by_allocator.empty());
  REQUIRE(result.top_by_bytes.empty());
  REQUIRE(result.top_packages_by_bytes.empty());
}

TEST_CASE("statistics of sizes of zero") {
  Recording recording;
  recording.allocate(0x10, 0, recording.stack({{"f", "/a.py"}}));
  const Capture capture = recording.finish();
  const Statistics result = statistics(capture);
  REQUIRE(result.allocations == 1);
  REQUIRE(result.histogram[0].count == 1);
  REQUIRE(result.top_by_bytes.at(0).bytes == 0);
}

TEST_CASE("top locations and packages are over everything allocated, freed or not") {
  Recording recording;
  const StackId many = recording.stack({{"main", "/app/run.py", 1}, {"many", "/app/run.py", 5}});
  const StackId large =
      recording.stack({{"main", "/app/run.py", 2}, {"large", "/lib/python3.12/site-packages/np/a.py", 8}});
  for (std::uint64_t i = 0; i < 10; ++i) {
    recording.allocate(0x10, 100, many);
    recording.release(0x10);
  }
  recording.allocate(0x20, 5000, large);
  recording.allocate(0x30, 7, kNoStack, Allocator::calloc);
  const Capture capture = recording.finish();
  const Statistics result = statistics(capture, 2);
  const auto function = [&](const LocationTotal& total) {
    return capture.definitions().string(total.location.function);
  };
  REQUIRE(result.allocated_bytes == 6007);
  REQUIRE(result.peak_bytes == 5007);
  REQUIRE(result.top_by_bytes.size() == 2);
  REQUIRE(function(result.top_by_bytes[0]) == "large");
  REQUIRE(result.top_by_bytes[0].location.line == 8);
  REQUIRE(function(result.top_by_count[0]) == "many");
  REQUIRE(result.top_by_count[0].count == 10);
  REQUIRE(result.top_by_count[0].bytes == 1000);
  REQUIRE(result.top_packages_by_bytes[0].package == "np");
  REQUIRE(result.top_packages_by_count[0].package == "run.py");
  REQUIRE(result.count_by_allocator ==
          std::map<Allocator, std::uint64_t>{{Allocator::malloc, 11}, {Allocator::calloc, 1}});
}

TEST_CASE("places with many different sizes are counted size by size") {
  Recording recording;
  const StackId at = recording.stack({{"f", "/a.py"}});
  for (std::uint64_t size = 1; size <= 20'000; ++size) {
    recording.allocate(0x10, size, at);
    recording.release(0x10);
  }
  const Capture capture = recording.finish();
  const Statistics result = statistics(capture);
  REQUIRE(result.allocations == 20'000);
  REQUIRE(result.allocated_bytes == 20'000ull * 20'001 / 2);
  REQUIRE(result.count_by_size.size() == 20'000);
  REQUIRE(result.count_by_size.back() == std::pair<std::uint64_t, std::uint64_t>(20'000, 1));
  REQUIRE(peak(capture).bytes == 20'000);
}

}  // namespace memray::test
