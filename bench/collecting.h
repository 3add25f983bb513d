// The collector as a whole, fed from shared memory as by a program: merging, stacks, matching, encoding, compression.
#pragma once

#include <time.h>

#include <cstdint>
#include <string>

namespace memray {

inline double cpu_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

struct Collected {
  std::uint64_t events = 0;
  double ns_per_event = 0;  // of the collector alone
};

// The trace (see capture_speed.cc) by so many threads in turns, until there are `wanted` events.
Collected collect(const std::string& trace, std::uint64_t wanted, unsigned threads);

}  // namespace memray
