// Joining slots, against what a page does with intervals: looking up what is live in a slot, or leaked in a range.
#include "temporal.h"

#include <catch2/catch.hpp>

#include <map>
#include <random>

namespace memray::flamegraph {
namespace {

using Held = std::map<std::uint32_t, std::uint64_t>;

Held held_in(const std::vector<NodeInterval>& intervals, std::uint32_t slot) {
  Held held;
  for (const NodeInterval& i : intervals) {
    if (i.allocated <= slot && slot < i.deallocated) held[i.node] += i.bytes;
  }
  return held;
}

Held leaked_in(const std::vector<NodeInterval>& intervals, std::uint32_t first, std::uint32_t last) {
  Held leaked;
  for (const NodeInterval& i : intervals) {
    if (first <= i.allocated && i.allocated < last && last <= i.deallocated) leaked[i.node] += i.bytes;
  }
  return leaked;
}

struct Random {
  TemporalSlots slots;
  std::vector<NodeInterval> intervals;
};

Random random_intervals(unsigned seed, std::uint32_t slots) {
  std::mt19937 random(seed);
  Random result;
  for (std::uint32_t i = 1; i < slots; ++i) result.slots.borders.push_back(Time{i * 1000});
  for (std::uint32_t i = 0; i < slots; ++i) result.slots.high_water.push_back(random() % 5);
  for (int i = 0; i < 200; ++i) {
    const std::uint32_t from = static_cast<std::uint32_t>(random() % slots);
    const std::uint32_t to = from + 1 + static_cast<std::uint32_t>(random() % (slots - from));
    result.intervals.push_back({static_cast<std::uint32_t>(random() % 7), from, to, random() % 100 + 1, 1});
  }
  tidy(result.intervals);
  return result;
}

}  // namespace

TEST_CASE("of two joined slots the higher moment stays") {
  for (unsigned seed = 1; seed <= 40; ++seed) {
    const Random before = random_intervals(seed, 2 + seed % 9);
    Random after = before;
    halve(after.slots, TemporalKind::high_water, {&after.intervals});
    REQUIRE(after.slots.high_water.size() == (before.slots.high_water.size() + 1) / 2);
    REQUIRE(after.slots.borders.size() + 1 == after.slots.high_water.size());
    for (std::uint32_t slot = 0; slot < after.slots.high_water.size(); ++slot) {
      std::uint32_t higher = 2 * slot;
      const auto& water = before.slots.high_water;
      if (higher + 1 < water.size() && water[higher + 1] >= water[higher]) ++higher;
      CHECK(after.slots.high_water[slot] == water[higher]);
      CHECK(held_in(after.intervals, slot) == held_in(before.intervals, higher));
    }
  }
}

TEST_CASE("what joined slots leaked is what their slots leaked") {
  for (unsigned seed = 1; seed <= 40; ++seed) {
    const std::uint32_t slots = 2 + seed % 9;
    const Random before = random_intervals(seed, slots);
    Random after = before;
    halve(after.slots, TemporalKind::leaks, {&after.intervals});
    for (std::uint32_t first = 0; first < after.slots.high_water.size(); ++first) {
      for (std::uint32_t last = first + 1; last <= after.slots.high_water.size(); ++last) {
        CHECK(leaked_in(after.intervals, first, last) ==
              leaked_in(before.intervals, 2 * first, std::min(2 * last, slots)));
      }
    }
  }
}

}  // namespace memray::flamegraph
