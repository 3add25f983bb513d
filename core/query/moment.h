// Moments of a capture: how many of its events are over.
#pragma once

#include "capture/capture_state.h"
#include "capture/live_sites.h"

namespace memray {

// After all events of the blocks before `block` and the first `events` of it.
struct Moment {
  std::size_t block = 0;
  std::uint64_t events = 0;
  friend auto operator<=>(const Moment&, const Moment&) = default;
};

// Before the first event that came later than `time`.
Moment moment_at(const Capture::State& state, Time time);

// When the last event before it happened.
Time time_of(const Capture::State& state, const Moment& moment);

// How many allocations had been made.
std::uint64_t allocations_until(const Capture::State& state, const Moment& moment);

// What the sites held. Reads no block behind the moment, and none before `first`, where `live` begins.
void apply_until(Capture::State& state, const Moment& moment, LiveSites& live, std::size_t first = 0);

}  // namespace memray
