// Live sets at moments and over time, of random programs whose every state was kept.

#include <deque>
#include <fstream>

#include "capture/capture_state.h"
#include "capture/columns.h"
#include "random_program.h"

namespace memray::test {
namespace {

Time after(std::int64_t milliseconds) { return Time{milliseconds * 1'000'000}; }

struct History {
  explicit History(unsigned seed, int steps) : program(seed) {
    program.model.keep_history = true;
    program.run(steps);
    moments = &program.model.history;
  }

  // The state after everything up to and including a time.
  const Model::Moment* at(Time time) const {
    const Model::Moment* found = nullptr;
    for (const Model::Moment& moment : *moments)
      if (moment.time <= time) found = &moment;
    return found;
  }
  std::vector<Block> live(Time time) const { return at(time) != nullptr ? at(time)->live : std::vector<Block>{}; }

  std::vector<Block> leaked(Time from, Time to) const {
    std::vector<Block> blocks = at(to) != nullptr ? at(to)->leaked : std::vector<Block>{};
    std::erase_if(blocks, [&](const Block& block) { return program.model.made[block.maker].time <= from; });
    return blocks;
  }

  std::vector<Block> highest(Time from, Time to) const {
    std::vector<Block> best = live(from);
    std::uint64_t bytes = at(from) != nullptr ? at(from)->bytes : 0;
    for (const Model::Moment& moment : *moments)
      if (moment.time > from && moment.time <= to && moment.bytes >= bytes) bytes = moment.bytes, best = moment.live;
    return best;
  }

  RandomProgram program;
  const std::vector<Model::Moment>* moments;
};

using Totals = std::map<Key, std::pair<std::uint64_t, std::uint64_t>>;

Key key_of(const Group& group) { return {group.stack, group.native_stack, group.thread, group.allocator}; }

Totals totals_of(const Snapshot& snapshot) {
  Totals totals;
  for (const Group& group : snapshot.groups) totals[key_of(group)] = {group.bytes, group.count};
  return totals;
}

template <typename Wanted>
Totals totals_of(const Temporal& temporal, Wanted wanted) {
  Totals totals;
  for (const TemporalGroup& group : temporal.groups) {
    std::pair<std::uint64_t, std::uint64_t> sum{};
    for (const Interval& interval : group.intervals) {
      if (!wanted(interval)) continue;
      sum.first += interval.bytes;
      sum.second += static_cast<std::uint64_t>(interval.count);
    }
    if (sum.second != 0)
      totals[key_of(group.group)] = sum;
    else
      REQUIRE(sum.first == 0);
  }
  return totals;
}

}  // namespace

TEST_CASE("live sets at moments and in windows are those that were") {
  const auto seed = GENERATE(range(0u, 12u));
  CAPTURE(seed);
  History history(seed, 700);
  const Capture capture = history.program.recording.finish(seed % 2 != 0 ? 256 : 1024);
  const std::int64_t end = nanoseconds(history.program.recording.now()) / 1'000'000;
  std::mt19937 random(seed);
  const auto moment = [&] { return std::uniform_int_distribution<std::int64_t>(0, end + 2)(random); };
  for (int i = 0; i < 40; ++i) {
    auto [from, to] = std::minmax({moment(), moment()});
    if (i == 0) from = 0, to = end;
    CAPTURE(from, to);
    const bool merge = i % 2 == 0;
    const Model& model = history.program.model;
    check(live_at(capture, after(to), {merge}), model.groups(history.live(after(to)), merge));
    check(leaked_within(capture, after(from), after(to), {merge}),
          model.groups(history.leaked(after(from), after(to)), merge));
    check(peak_within(capture, after(from), after(to), {merge}),
          model.groups(history.highest(after(from), after(to)), merge));
  }
}

// Overwrites blocks of an open capture: who looks at one of them notices.
template <typename Wanted>
void overwrite(const Capture& capture, Wanted wanted) {
  std::fstream file(capture.path(), std::ios::in | std::ios::out | std::ios::binary);
  for (const format::BlockPlace& block : capture.state().events_blocks) {
    if (!wanted(block.header.summary)) continue;
    file.seekp(static_cast<std::streamoff>(block.offset + block.header.header_size));
    file << std::string(block.header.payload_size, '\0');
  }
}

TEST_CASE("a window reads nothing behind its end") {
  const auto seed = GENERATE(range(30u, 34u));
  History history(seed, 3000);
  const Capture capture = history.program.recording.finish(512);
  const std::int64_t end = nanoseconds(history.program.recording.now()) / 1'000'000;
  const Time from = after(end / 4);
  const Time to = after(end / 2);
  overwrite(capture,
            [&](const format::EventsSummary& block) { return block.first_time > nanoseconds(to) + 1'000'000; });
  const Model& model = history.program.model;
  check(live_at(capture, to), model.groups(history.live(to), true));
  check(leaked_within(capture, from, to), model.groups(history.leaked(from, to), true));
  check(peak_within(capture, from, to), model.groups(history.highest(from, to), true));
  temporary_within(capture, 1, from, to);
  REQUIRE(!capture.damage());
  leaks(capture);
  REQUIRE(capture.damage());
}

TEST_CASE("what was allocated in a window is found without reading what came before") {
  const auto seed = GENERATE(range(30u, 42u));
  CAPTURE(seed);
  History history(seed, 3000);
  const Capture capture = history.program.recording.finish(512);
  const std::int64_t end = nanoseconds(history.program.recording.now()) / 1'000'000;
  const Time from = after(end / 2);
  const Time to = after(end * 3 / 4);
  int overwritten = 0;
  overwrite(capture, [&](const format::EventsSummary& block) {
    const bool before = block.last_time < nanoseconds(from) - 1'000'000;
    overwritten += before;
    return before;
  });
  REQUIRE(overwritten > 5);
  check(leaked_within(capture, from, to), history.program.model.groups(history.leaked(from, to), true));
  REQUIRE(!capture.damage());
}

TEST_CASE("a window over everything is no window") {
  const auto seed = GENERATE(range(20u, 25u));
  RandomProgram program(seed);
  program.run(1500);
  const Capture capture = program.recording.finish();
  const Selection until_end{View::peak, 1, {}, capture.metadata().end};
  REQUIRE(totals_of(snapshot(capture, until_end)) == totals_of(peak(capture)));
  REQUIRE(snapshot(capture, until_end).time == peak(capture).time);
  const Selection leaked{View::leaks, 1, {}, capture.metadata().end};
  REQUIRE(totals_of(snapshot(capture, leaked)) == totals_of(leaks(capture)));
}

TEST_CASE("temporary allocations are those found by keeping the latest of each thread") {
  const auto seed = GENERATE(range(40u, 50u));
  CAPTURE(seed);
  RandomProgram program(seed);
  program.keep_calls = true;
  program.run(1500);
  const Capture capture = program.recording.finish(512);
  const Time middle{nanoseconds(program.recording.now()) / 2'000'000 * 1'000'000};
  for (const std::uint64_t threshold : {0u, 1u, 2u, 7u, 1000u}) {
    CAPTURE(threshold);
    std::map<ThreadId, std::deque<std::uint64_t>> latest;
    std::vector<Block> found;
    for (const RandomProgram::Call& call : program.calls) {
      for (const Block& block : call.ended) {
        const auto& recent = latest[call.thread];
        if (block.size != program.model.made[block.maker].size) continue;
        if (std::ranges::find(recent, block.maker) != recent.end()) found.push_back(block);
      }
      if (!call.made) continue;
      auto& recent = latest[call.thread];
      recent.push_back(*call.made);
      if (recent.size() > threshold + 1) recent.pop_front();
    }
    for (const bool merge : {true, false})
      check(temporary(capture, threshold, {merge}), program.model.groups(found, merge));
    std::vector<Block> late = found;
    std::erase_if(late, [&](const Block& block) { return program.model.made[block.maker].time <= middle; });
    check(temporary_within(capture, threshold, middle, capture.metadata().end), program.model.groups(late, true));
  }
  overwrite(capture,
            [&](const format::EventsSummary& block) { return block.last_time < nanoseconds(middle) - 1'000'000; });
  temporary_within(capture, 1, middle, capture.metadata().end);
  REQUIRE(!capture.damage());
  temporary(capture, 1);
  REQUIRE(capture.damage());
}

TEST_CASE("intervals add up to the live sets of windows") {
  const auto seed = GENERATE(range(60u, 68u));
  CAPTURE(seed);
  RandomProgram program(seed);
  std::mt19937 random(seed);
  for (int i = 0; i < 25; ++i) {
    program.run(static_cast<int>(random() % 60));
    program.recording.samples.push_back({program.recording.now(), program.recording.process, 1, 0});
  }
  program.run(30);
  const Capture capture = program.recording.finish(512);
  const bool merge = seed % 2 == 0;
  const std::size_t max_slots = seed % 3 == 0 ? 10 : 1000;
  const Temporal leaked = temporal(capture, TemporalKind::leaks, max_slots, {merge});
  const Temporal high = temporal(capture, TemporalKind::high_water, max_slots, {merge});
  REQUIRE(leaked.slots == high.slots);
  REQUIRE(leaked.high_water == high.high_water);
  REQUIRE(high.high_water.size() == high.slots.size() + 1);
  if (max_slots == 10) REQUIRE(high.slots.size() <= 10);

  const auto begin_of = [&](std::size_t slot) { return slot == 0 ? Time{-1'000'000'000} : high.slots[slot - 1]; };
  const auto end_of = [&](std::size_t slot) {
    return slot == high.slots.size() ? capture.metadata().end : high.slots[slot];
  };
  for (std::size_t slot = 0; slot < high.high_water.size(); ++slot) {
    CAPTURE(slot);
    const Snapshot wanted = peak_within(capture, begin_of(slot), end_of(slot), {merge});
    REQUIRE(high.high_water[slot] == wanted.bytes);
    REQUIRE(totals_of(high, [&](const Interval& interval) {
              return interval.allocated_before <= slot && slot < interval.deallocated_before.value_or(1000);
            }) == totals_of(wanted));
  }
  for (std::size_t first = 0; first < high.high_water.size(); first += 3)
    for (std::size_t last = first; last < high.high_water.size(); last += 2) {
      CAPTURE(first, last);
      REQUIRE(totals_of(leaked, [&](const Interval& interval) {
                return interval.allocated_before >= first && interval.allocated_before <= last &&
                       interval.deallocated_before.value_or(1000) > last;
              }) == totals_of(leaked_within(capture, begin_of(first), end_of(last), {merge})));
    }
}

TEST_CASE("a final rise counts") {
  Recording recording;
  const StackId at = recording.stack({{"f", "/a.py"}});
  recording.allocate(0x10, 100, at);
  recording.samples.push_back({recording.now(), recording.process, 1, 100});
  recording.allocate(0x20, 10'000'000, at);
  const Temporal high = temporal(recording.finish(), TemporalKind::high_water);
  REQUIRE(high.high_water == std::vector<std::uint64_t>{100, 10'000'100});
}

TEST_CASE("processes add up at each moment, until their last sample") {
  Recording recording;
  const ProcessId other = recording.definitions.add_process({43, 42, kNoString, Time{0}});
  const auto sample = [&](std::int64_t ms, ProcessId process, std::uint64_t rss, std::uint64_t heap) {
    recording.samples.push_back({after(ms), process, rss, heap});
  };
  sample(10, recording.process, 100, 1);
  sample(10, other, 1000, 1);
  sample(20, recording.process, 200, 5);
  sample(20, other, 2000, 5);
  sample(30, recording.process, 300, 3);
  const Capture capture = recording.finish();
  const auto points = timeline(capture);
  REQUIRE(points.size() == 3);
  REQUIRE(points[0].rss == 1100);
  REQUIRE(points[1].rss == 2200);
  REQUIRE(points[2].rss == 300);
  REQUIRE(points[2].time == after(30));
  const auto fewer = timeline(capture, 2);
  REQUIRE(fewer.size() == 2);
  REQUIRE(fewer[0].rss == 2200);
  REQUIRE(fewer[0].heap == 5);
  REQUIRE(fewer[0].time == after(10));
}

TEST_CASE("times that are no number of nanoseconds are damage") {
  format::ByteWriter bytes;
  bytes.varint(0);
  bytes.varint(format::zigzag(std::int64_t{1} << 52));
  const format::TimeColumnReader times(bytes.bytes());
  REQUIRE(!times.ok());
}

}  // namespace memray::test
