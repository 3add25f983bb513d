#include "collector/clock.h"

#include <time.h>

namespace memray::collector {

namespace {
std::int64_t read(clockid_t id) {
  timespec t{};
  clock_gettime(id, &t);
  return t.tv_sec * 1'000'000'000ll + t.tv_nsec;
}
}  // namespace

Clock::Clock() : start_ns_(read(CLOCK_MONOTONIC)), start_realtime_ns_(read(CLOCK_REALTIME)) {}

void Clock::adjust(std::uint64_t stamp) {
  const std::int64_t elapsed = read(CLOCK_MONOTONIC) - start_ns_;
  if (stamp != 0) ns_per_tick_ = static_cast<double>(elapsed) / static_cast<double>(stamp);
}

}  // namespace memray::collector
