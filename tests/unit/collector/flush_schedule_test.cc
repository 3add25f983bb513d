#include "collector/flush_schedule.h"

#include <catch2/catch.hpp>

#include <cstdint>
#include <vector>

using memray::collector::Flush;
using memray::collector::FlushSchedule;
using namespace std::chrono_literals;

namespace {

// Ticks of 10 ms; `events(ms)` is how many there were by then. When everything was written, in milliseconds.
template <typename Events>
std::vector<int> written(int until, Events events) {
  const FlushSchedule::Clock::time_point start{};
  FlushSchedule schedule(start);
  std::vector<int> result;
  for (int ms = 10; ms <= until; ms += 10) {
    if (schedule.due(start + std::chrono::milliseconds(ms), static_cast<std::uint64_t>(events(ms))) == Flush::all)
      result.push_back(ms);
  }
  return result;
}

}  // namespace

TEST_CASE("a program that falls silent is written half a second later, and every five seconds") {
  CHECK(written(11'000, [](int ms) { return ms < 3'000 ? ms : 3'000; }) == std::vector{3'500, 5'000, 10'000});
}

TEST_CASE("not sooner than a second after the block before") {
  CHECK(written(4'000, [](int ms) { return ms < 200 ? 1 : ms < 1'100 ? 2 : 3; }) == std::vector{1'000, 2'000});
}

TEST_CASE("a steady trickle is no silence") {
  CHECK(written(11'000, [](int ms) { return ms / 100; }) == std::vector{5'000, 10'000});
}

TEST_CASE("a trickle with pauses soon has the intervals of a steady one") {
  const auto times = written(600'000, [](int ms) { return ms / 900; });
  CHECK(times.size() <= 600 / 5 * 2 + 8);
  CHECK(times[0] < 2'000);
}
