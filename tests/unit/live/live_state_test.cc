// What is told of a stream against a model of the program, and, for moments in between, against its events added up.
#include "live/live_state.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <map>
#include <random>

#include "capture/capture_state.h"
#include "random_program.h"

namespace memray::test {
namespace {

using live::LiveState;
using live::View;

using Bytes = std::vector<std::byte>;

Bytes bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  const auto all = std::as_bytes(std::span(text));
  return {all.begin(), all.end()};
}

void feed_in_pieces(LiveState& state, std::span<const std::byte> bytes, unsigned seed) {
  std::mt19937 random(seed);
  while (!bytes.empty()) {
    const std::size_t most = random() % 4 == 0 ? 5 : 700;
    const std::size_t count = std::min<std::size_t>(bytes.size(), 1 + random() % most);
    state.feed(bytes.first(count));
    bytes = bytes.subspan(count);
  }
}

using Sums = std::map<Key, std::pair<std::uint64_t, std::uint64_t>>;

Sums sums_of(const Snapshot& snapshot) {
  Sums sums;
  for (const Group& group : snapshot.groups)
    sums[{group.stack, group.native_stack, group.thread, group.allocator}] = {group.bytes, group.count};
  return sums;
}

// What is live after the first `until` events and was allocated by the first `from` ones. With what processes had when
// they exited, if that is kept.
Sums live_after(const Definitions& definitions, std::span<const Event> events, std::size_t until, std::size_t from,
                bool keep_at_exit) {
  struct Live {
    SiteId site;
    std::uint64_t size, pieces;
    bool wanted;
  };
  std::map<std::uint64_t, Live> live;
  Sums sums;
  const auto add = [&](const Live& block) {
    const Site& site = definitions.site(block.site);
    auto& [bytes, count] = sums[{site.stack, site.native_stack, site.thread, site.allocator}];
    bytes += block.size;
    count += block.pieces;
  };
  for (std::size_t i = 0; i < until; ++i) {
    const Event& event = events[i];
    if (event.kind == Event::Kind::allocation) live[event.number] = {event.site, event.size, 1, i < from};
    const auto found = live.find(event.number);
    if (event.kind == Event::Kind::deallocation && found != live.end()) live.erase(found);
    if (event.kind == Event::Kind::partial_deallocation && found != live.end()) {
      found->second.size -= event.size;
      found->second.pieces = event.pieces;
    }
    if (event.kind != Event::Kind::process_exit && event.kind != Event::Kind::process_exec) continue;
    std::erase_if(live, [&](const auto& entry) {
      const ThreadId thread = definitions.site(entry.second.site).thread;
      if (index(definitions.thread(thread).process) != event.index) return false;
      if (keep_at_exit && event.kind == Event::Kind::process_exit) add(entry.second);
      return true;
    });
  }
  for (const auto& [number, block] : live)
    if (block.wanted) add(block);
  return sums;
}

std::vector<Event> all_events(const Capture& capture) {
  std::vector<Event> all;
  capture.events(Columns::all, [&](std::span<const Event> events) {
    all.insert(all.end(), events.begin(), events.end());
    return true;
  });
  return all;
}

// Whether `got` is so for some place in the events that are at `time`: several have the same.
template <typename Want>
bool is_one_of(const std::vector<Event>& events, Time time, const Sums& got, Want want) {
  for (std::size_t i = 0; i < events.size(); ++i)
    if (events[i].time == time && want(i) == got) return true;
  return false;
}

}  // namespace

TEST_CASE("a stream in pieces says what the program did") {
  const unsigned seed = GENERATE(0u, 1u, 2u, 3u, 4u, 5u);
  const auto kept = GENERATE(Kept::everything, Kept::newest);
  const bool merge = GENERATE(true, false);
  CAPTURE(seed, static_cast<int>(kept), merge);
  RandomProgram program(seed);
  program.run(3000);
  program.recording.samples.push_back({program.recording.now(), program.recording.process, 1'000'000, 5'000});
  const Capture file = program.finish(kept);

  LiveState state;
  feed_in_pieces(state, bytes_of(file.path()), seed);
  CHECK(state.ended());
  CHECK(state.beginnings() == 1);
  CHECK(state.capture()->metadata().command_line == "python app.py");
  CHECK(state.latest() == file.metadata().end);

  check(state.snapshot({View::current, {}, merge}), program.model.groups(program.model.live(), merge));
  check(state.snapshot({View::peak, {}, merge}), program.model.groups(program.model.at_peak, merge));
  CHECK(state.totals().allocations == program.model.made.size());
  CHECK(state.totals().peak_bytes == program.model.record);
  if (kept == Kept::everything) CHECK(state.samples().size() == 1);
}

TEST_CASE("what was live at moments of the past, and what of it is still live, is what the events say") {
  const unsigned seed = GENERATE(0u, 1u, 2u);
  RandomProgram program(seed);
  program.run(6000);
  const Capture file = program.recording.finish(300);
  const std::vector<Event> events = all_events(file);
  LiveState state;
  feed_in_pieces(state, bytes_of(file.path()), seed);

  const std::vector<Time> moments = state.moments();
  REQUIRE(moments.size() >= 5);
  for (const Time time : moments) {
    const Sums got = sums_of(state.snapshot({View::current, time, false}));
    CHECK(is_one_of(events, time, got,
                    [&](std::size_t i) { return live_after(file.definitions(), events, i, i, false); }));
  }
  REQUIRE(state.ages().size() >= 5);
  for (const Time time : state.ages()) {
    const Sums got = sums_of(state.snapshot({View::leaked, time, false}));
    CHECK(is_one_of(events, time, got,
                    [&](std::size_t i) { return live_after(file.definitions(), events, events.size(), i, true); }));
  }
}

TEST_CASE("what is saved is a capture that says the same") {
  RandomProgram program(7);
  program.run(3000);
  const Capture file = program.recording.finish(300);
  LiveState state;
  feed_in_pieces(state, bytes_of(file.path()), 7);

  const TemporaryFile saved;
  const auto save = [&](std::optional<Time> moment) {
    std::ofstream out(saved.path(), std::ios::binary);
    state.save(moment, [&](std::span<const std::byte> bytes) {
      out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    });
  };
  save({});
  const Capture all(saved.path());
  CHECK(!all.damage());
  check(peak(all), program.model.groups(program.model.at_peak, true));
  check(leaks(all), program.model.groups(program.model.leaked(), true));
  CHECK(all.totals().allocations == program.model.made.size());

  const Time middle = state.moments().at(1);
  save(middle);
  const Capture then(saved.path());
  CHECK(sums_of(peak(then)) == sums_of(state.snapshot({View::current, middle})));
  CHECK(sums_of(leaks(then)) == sums_of(state.snapshot({View::current, middle})));
}

TEST_CASE("a stream that begins anew is told anew") {
  RandomProgram first(1), second(2);
  first.run(1000);
  second.run(1000);
  const Capture one = first.recording.finish(300);
  const Capture other = second.recording.finish(300);
  const auto& blocks = one.state().events_blocks;
  REQUIRE(blocks.size() > 3);
  const Bytes bytes = bytes_of(one.path());

  LiveState state;
  Bytes kept;
  state.keep_in([&](std::span<const std::byte> piece, bool beginning) {
    if (beginning) kept.clear();
    kept.insert(kept.end(), piece.begin(), piece.end());
  });
  const auto until_then = std::span(bytes).first(blocks[blocks.size() / 2].end());
  feed_in_pieces(state, until_then, 1);
  CHECK(!state.ended());
  CHECK(std::ranges::equal(kept, until_then));
  CHECK(state.totals().allocations > 0);
  feed_in_pieces(state, bytes_of(other.path()), 2);
  CHECK(state.beginnings() == 2);
  CHECK(state.ended());
  check(state.snapshot({}), second.model.groups(second.model.live(), true));
  CHECK(state.totals().allocations == second.model.made.size());
  CHECK(kept == bytes_of(other.path()));
}

TEST_CASE("a stream with a changed byte is refused, and what came before it stays") {
  RandomProgram program(3);
  program.run(1000);
  const Capture file = program.recording.finish(300);
  const Bytes sound = bytes_of(file.path());
  const auto& blocks = file.state().events_blocks;
  const auto& place = blocks[blocks.size() / 2];
  for (const std::uint64_t at : {place.offset, place.offset + 5, place.offset + 40, place.end() - 1}) {
    CAPTURE(at - place.offset);
    Bytes bytes = sound;
    bytes[at] ^= std::byte{0x10};
    LiveState state;
    CHECK_THROWS_AS(feed_in_pieces(state, bytes, 1), CaptureError);
    CHECK(state.totals().events == place.header.summary.first_event);
    state.snapshot({});
  }
  LiveState garbage;
  CHECK_THROWS_AS(feed_in_pieces(garbage, Bytes(1000, std::byte{'x'}), 1), CaptureError);
  CHECK(garbage.capture() == nullptr);
  CHECK(garbage.snapshot({}).groups.empty());
}

}  // namespace memray::test
