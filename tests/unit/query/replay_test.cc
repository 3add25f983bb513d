// Peak, leaks and statistics of random programs.

#include "capture/capture_state.h"
#include "random_program.h"

namespace memray::test {

TEST_CASE("peak and leaks of random programs are those of a naive replay") {
  const auto seed = GENERATE(range(0u, 25u));
  CAPTURE(seed);
  RandomProgram program(seed);
  program.run(seed < 5 ? 40 : 2500);
  const auto kept = GENERATE(Kept::everything, Kept::totals, Kept::newest);
  CAPTURE(static_cast<int>(kept));
  const Capture capture = program.finish(kept);
  for (const bool merge : {true, false}) {
    CAPTURE(merge);
    check(peak(capture, {merge}), program.model.groups(program.model.at_peak, merge));
    check(leaks(capture, {merge}), program.model.groups(program.model.leaked(), merge));
    check(snapshot(capture, View::leaks, {merge}), program.model.groups(program.model.leaked(), merge));
  }
  REQUIRE(capture.totals().peak_bytes == program.model.record);
}

namespace {

using ByClass = std::map<std::pair<Key, int>, std::pair<std::uint64_t, std::uint64_t>>;

ByClass by_class(const Model& model, const std::vector<Block>& blocks) {
  ByClass sums;
  for (const Block& block : blocks) {
    int size_class = 1;
    for (std::uint64_t size = model.made[block.maker].size; size != 0; size /= 2) ++size_class;
    auto& [bytes, count] = sums[{model.key(block.maker, true), size_class}];
    bytes += block.size;
    count += 1;
  }
  return sums;
}

ByClass by_class(const Snapshot& snapshot) {
  ByClass sums;
  for (const Group& group : snapshot.groups) {
    const Key key = {group.stack, group.native_stack, group.thread, group.allocator};
    REQUIRE(sums.try_emplace({key, group.size_class}, group.bytes, group.count).second);
  }
  return sums;
}

}  // namespace

TEST_CASE("size classes are exact where a place allocates many sizes") {
  const auto seed = GENERATE(range(60u, 64u));
  CAPTURE(seed);
  RandomProgram program(seed);
  program.many_sizes = true;
  program.run(6000);
  const Capture capture = program.finish(Kept::everything);
  const Definitions& definitions = capture.definitions();
  bool varies = false;
  for (std::uint32_t i = 0; i < definitions.sites(); ++i) varies |= !definitions.site(SiteId{i}).fixed_size;
  REQUIRE(varies);
  const SnapshotOptions options{.split_sizes = true};
  REQUIRE(by_class(peak(capture, options)) == by_class(program.model, program.model.at_peak));
  REQUIRE(by_class(leaks(capture, options)) == by_class(program.model, program.model.leaked()));
  REQUIRE(by_class(live_at(capture, capture.metadata().end, options)) == by_class(program.model, program.model.live()));
}

TEST_CASE("a capture of totals says so where single events are asked for") {
  RandomProgram program(1);
  program.run(10);
  const Capture capture = program.recording.finish_aggregated();
  REQUIRE(capture.metadata().aggregated);
  REQUIRE(capture.totals().events > 0);
  const auto any = [](std::span<const Event>) { return true; };
  REQUIRE_THROWS_WITH(capture.events(Columns::none, any), Catch::Contains("was recorded with --aggregate"));
  REQUIRE_THROWS_WITH(capture.require_events(), Catch::Contains("record without --aggregate"));
}

TEST_CASE("a bounded capture has the newest events, and allocations that lived on") {
  const auto seed = GENERATE(range(200u, 204u));
  CAPTURE(seed);
  RandomProgram program(seed);
  program.run(3000);
  const std::vector<Event> all(program.recording.matcher.events().begin(), program.recording.matcher.events().end());
  const Capture capture = program.recording.finish_bounded(6000);
  REQUIRE(program.recording.folds > 2);
  REQUIRE(capture.totals().events == all.size());
  REQUIRE(!capture.damage());
  std::vector<Event> kept;
  capture.events(Columns::all, [&](std::span<const Event> events) {
    kept.insert(kept.end(), events.begin(), events.end());
    return true;
  });
  const std::uint64_t restated = capture.state().aggregates->restated_events;
  const std::uint64_t newest = kept.size() - restated;
  REQUIRE(newest > 0);
  REQUIRE(newest < all.size());

  // Numbers differ, but lead to the same allocations.
  std::map<std::uint64_t, std::uint64_t> address_of;
  for (std::size_t i = 0; i < kept.size(); ++i) {
    CAPTURE(i);
    if (kept[i].kind == Event::Kind::allocation) address_of[kept[i].number] = kept[i].address;
    if (i < restated) {
      REQUIRE(kept[i].time <= capture.metadata().events_from);
      continue;
    }
    const Event& was = all[all.size() - newest + (i - restated)];
    REQUIRE(kept[i].kind == was.kind);
    REQUIRE(kept[i].site == was.site);
    REQUIRE(kept[i].size == was.size);
    REQUIRE(kept[i].address == was.address);
    REQUIRE(kept[i].thread == was.thread);
    REQUIRE(kept[i].time == was.time);
    REQUIRE(kept[i].pieces == was.pieces);
    if (kept[i].kind == Event::Kind::deallocation) REQUIRE(address_of.at(kept[i].number) == kept[i].address);
  }
}

TEST_CASE("statistics of random programs are those of their calls") {
  const auto seed = GENERATE(range(100u, 110u));
  CAPTURE(seed);
  RandomProgram program(seed);
  program.run(2000);
  const auto kept = GENERATE(Kept::everything, Kept::totals, Kept::newest);
  CAPTURE(static_cast<int>(kept));
  const Capture capture = program.finish(kept);
  const Statistics got = statistics(capture, 3);

  std::map<std::uint64_t, std::uint64_t> by_size;
  std::map<Allocator, std::uint64_t> by_allocator;
  std::map<StackId, std::pair<std::uint64_t, std::uint64_t>> by_stack;  // every stack has its own location
  std::uint64_t bytes = 0;
  for (const RawAllocation& raw : program.model.made) {
    ++by_size[raw.size];
    ++by_allocator[raw.allocator];
    bytes += raw.size;
    by_stack[raw.stack].first += raw.size;
    by_stack[raw.stack].second += 1;
  }
  REQUIRE(got.allocations == program.model.made.size());
  REQUIRE(got.allocated_bytes == bytes);
  REQUIRE(got.peak_bytes == program.model.record);
  REQUIRE(got.count_by_allocator == by_allocator);
  REQUIRE(got.count_by_size == decltype(got.count_by_size)(by_size.begin(), by_size.end()));

  std::vector<std::uint64_t> most_bytes, most_count;
  for (const auto& [stack, total] : by_stack) {
    most_bytes.push_back(total.first);
    most_count.push_back(total.second);
  }
  std::ranges::sort(most_bytes, std::greater<>());
  std::ranges::sort(most_count, std::greater<>());
  REQUIRE(got.top_by_bytes.size() == 3);
  REQUIRE(got.top_by_count.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    REQUIRE(got.top_by_bytes[i].bytes == most_bytes[i]);
    REQUIRE(got.top_by_count[i].count == most_count[i]);
  }
  for (const LocationTotal& total : got.top_by_bytes) {
    StackId stack = kNoStack;
    for (const auto& [candidate, unused] : by_stack)
      if (candidate != kNoStack) {
        const Frame& frame = capture.definitions().frame(capture.definitions().stack(candidate).frame);
        if (frame.location == total.location) stack = candidate;
      }
    REQUIRE(by_stack[stack] == std::pair(total.bytes, total.count));
  }
}

}  // namespace memray::test
