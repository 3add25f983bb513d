// The passes over tokens against plain additions over the same events.
#include "capture/live_sites.h"

#include <catch2/catch.hpp>

#include "capture/capture_state.h"
#include "capture/token_reader.h"
#include "streams.h"

namespace memray::test {
namespace {

using format::EventDecoder;

struct Live {
  std::uint32_t site;
  std::uint64_t size;
  std::uint64_t pieces;
};

// What is held after the first `count` events.
std::vector<SiteTotal> replay(const Stream& stream, std::uint64_t count, bool keep_at_exit) {
  std::map<std::uint64_t, Live> live;
  std::vector<SiteTotal> totals(stream.definitions.sites());
  const auto add = [&](const Live& block) {
    totals[block.site].bytes += block.size;
    totals[block.site].count += block.pieces;
  };
  for (std::uint64_t i = 0; i < count; ++i) {
    const Event& event = stream.events[i];
    if (event.kind == Event::Kind::allocation) live[event.number] = {index(event.site), event.size, 1};
    if (event.kind == Event::Kind::deallocation) live.erase(event.number);
    if (event.kind == Event::Kind::partial_deallocation) {
      live[event.number].size -= event.size;
      live[event.number].pieces = event.pieces;
    }
    if (event.kind != Event::Kind::process_exit && event.kind != Event::Kind::process_exec) continue;
    std::erase_if(live, [&](const auto& entry) {
      const ThreadId thread = stream.definitions.site(SiteId{entry.second.site}).thread;
      if (index(stream.definitions.thread(thread).process) != event.index) return false;
      if (keep_at_exit && event.kind == Event::Kind::process_exit) add(entry.second);
      return true;
    });
  }
  for (const auto& [number, block] : live) add(block);
  return totals;
}

void check(const std::vector<SiteTotal>& got, const std::vector<SiteTotal>& want) {
  REQUIRE(got.size() == want.size());
  for (std::size_t i = 0; i < want.size(); ++i) {
    REQUIRE(got[i].bytes == want[i].bytes);
    REQUIRE(got[i].count == want[i].count);
  }
}

}  // namespace

TEST_CASE("what sites hold after any event is what the events add up to") {
  const std::size_t count = GENERATE(1, 100, 30'000, 200'000);
  const std::size_t block_bytes = GENERATE(100, 50'000);
  const bool keep = GENERATE(false, true);
  if (count > 100 * block_bytes) return;
  Stream stream;
  StreamMaker(stream, static_cast<unsigned>(count)).make(count);
  const TemporaryFile file(encode(stream, {block_bytes, false}).all);
  const Capture capture(file.path());
  const std::uint64_t last = GENERATE(1, 57, 29'999, 99'998, ~std::uint64_t{0});
  const std::uint64_t stop = std::min<std::uint64_t>(last, stream.events.size());

  LiveSites live(capture.definitions(), keep);
  capture.state().for_each_events_block(
      Columns::none, [&](const format::EventsSummary& block, const format::EventSections& sections) {
        const std::uint64_t events = std::min(block.events, stop - block.first_event);
        REQUIRE(live.apply(block, sections.events.bytes(), events));
        return block.first_event + events < stop ? EventDecoder::Result::done : EventDecoder::Result::stopped;
      });
  check(live.held().sites, replay(stream, stop, keep));
}

TEST_CASE("what sites allocated is what the events add up to") {
  Stream stream;
  StreamMaker(stream, 5).make(100'000);
  const TemporaryFile file(encode(stream, {10'000, true}).all);
  const Capture capture(file.path());
  AllocatedSites allocated(capture.definitions());
  capture.state().for_each_events_block(Columns::none,
                                        [&](const format::EventsSummary& block, const format::EventSections& sections) {
                                          REQUIRE(allocated.apply(block, sections.events.bytes()));
                                          return EventDecoder::Result::done;
                                        });
  std::vector<SiteTotal> want(stream.definitions.sites());
  std::unordered_map<std::uint64_t, std::uint64_t> sizes;
  for (const Event& event : stream.events) {
    if (event.kind != Event::Kind::allocation) continue;
    want[index(event.site)].bytes += event.size;
    want[index(event.site)].count += 1;
    if (!stream.definitions.site(event.site).fixed_size) ++sizes[event.size];
  }
  check(allocated.totals(), want);
  CHECK(allocated.varying_sizes() == sizes);
}

TEST_CASE("numbers of every length come out of the token reader as they went in") {
  std::mt19937_64 random(1);
  for (const std::size_t count : {0, 1, 2, 3, 4095, 4096, 4097, 20'000}) {
    std::vector<std::uint64_t> want, got;
    format::ByteWriter out;
    for (std::size_t i = 0; i < count; ++i) {
      want.push_back(random() >> (random() % 2 == 0 ? 58 : random() % 64));
      out.varint(want.back());
    }
    format::TokenReader reader(out.bytes());
    std::span<const std::uint64_t> numbers = reader.fill(0);
    while (!numbers.empty()) {
      const std::size_t taken = std::min<std::size_t>(numbers.size(), 1 + random() % format::TokenReader::kBatch);
      got.insert(got.end(), numbers.begin(), numbers.begin() + static_cast<std::ptrdiff_t>(taken));
      numbers = reader.fill(numbers.size() - taken);
    }
    CHECK(reader.at_end());
    CHECK((got == want));
  }
}

TEST_CASE("events that no writer made are refused") {
  Definitions definitions;
  definitions.add_thread({definitions.add_process({}), 1, 1, kNoString});
  definitions.add_site({kNoStack, kNoStack, ThreadId{0}, Allocator::malloc, true, 8});
  const auto accepts = [&](std::vector<std::uint8_t> bytes, std::uint64_t events) {
    LiveSites live(definitions, false);
    return live.apply({}, std::as_bytes(std::span(bytes)), events);
  };
  CHECK(accepts({1, 2}, 2));
  CHECK_FALSE(accepts({1}, 2));                                  // fewer events than promised
  CHECK_FALSE(accepts({3}, 1));                                  // a site before the first
  CHECK_FALSE(accepts({5}, 1));                                  // ... and after the last
  CHECK_FALSE(accepts({2}, 1));                                  // a free before any allocation
  CHECK_FALSE(accepts({1, 2, 2}, 3));                            // freed twice
  CHECK_FALSE(accepts({1, 4}, 2));                               // ... before the first
  CHECK_FALSE(accepts({0, 9, 1, 1}, 1));                         // no such event
  CHECK_FALSE(accepts({0, 1, 0}, 1));                            // cut off
  CHECK_FALSE(accepts({0, 5, 7, 0}, 1));                         // no such process
  CHECK_FALSE(accepts({1, 0, 2, 1, 8, 1}, 2));                   // all of it is no part
  CHECK(accepts({1, 0, 2, 1, 7, 1, 2}, 3));                      // a part, then the rest
  CHECK_FALSE(accepts({0x81, 0x80, 0x80}, 1));                   // a number without end
  CHECK_FALSE(accepts(std::vector<std::uint8_t>(20, 0xff), 1));  // of too many bits
}

TEST_CASE("live sites take memory for what is live, not for what was allocated") {
  Definitions definitions;
  definitions.add_thread({definitions.add_process({}), 1, 1, kNoString});
  definitions.add_site({kNoStack, kNoStack, ThreadId{0}, Allocator::malloc, true, 8});
  LiveSites live(definitions, false);
  format::EventsSummary summary;
  // Of 1000 allocations, one stays for ever.
  std::vector<std::uint8_t> round;
  for (int i = 0; i < 1000; ++i) {
    round.push_back(1);
    if (i != 0) round.push_back(2);
  }
  for (int i = 0; i < 3000; ++i) {
    REQUIRE(live.apply(summary, std::as_bytes(std::span(round)), round.size()));
    summary.first_allocation += 1000;
  }
  CHECK(live.held().sites[0].count == 3000);
  CHECK(live.held().sites[0].bytes == 24'000);
  CHECK(live.footprint() < 2'000'000);
}

}  // namespace memray::test
