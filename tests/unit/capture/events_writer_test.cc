// Short cuts of the writer of events blocks, against the long way.
#include "capture/events_writer.h"

#include <algorithm>
#include <catch2/catch.hpp>

using namespace memray;
using namespace memray::format;

namespace {

constexpr ThreadId kThread{3};
constexpr std::uint64_t kPlace = 0x1000;

// One block lives, `before` more came and went, and then `size` bytes do so again and again.
template <typename Again>
std::vector<std::byte> block(std::uint64_t size, std::uint64_t before, Again again) {
  EventsWriter writer;
  writer.time(Time{5'000'000});
  writer.allocation(SiteId{1}, true, kThread, 500, 0x9000);
  writer.allocation(SiteId{2}, true, kThread, before, 0x8000);
  writer.deallocation(1, kThread, before, 0x8000);
  const auto pair = [&](std::uint64_t number) {
    writer.allocation(SiteId{7}, true, kThread, size, kPlace);
    writer.deallocation(number, kThread, size, kPlace);
  };
  pair(2);
  again(writer, pair);
  // What comes after depends on all that the writer remembers.
  writer.allocation(SiteId{8}, true, kThread, size, kPlace);
  writer.deallocation(0, kThread, 500, 0x9000);
  Compression compression(false);
  BlockBuilder builder(BlockKind::events, compression);
  const EventsSummary summary = writer.finish(builder);
  const ByteWriter bytes = builder.finish(&summary);
  return {bytes.bytes().begin(), bytes.bytes().end()};
}

}  // namespace

TEST_CASE("what is repeated is written as if it had been told each time") {
  const std::uint64_t size = GENERATE(0u, 64u);
  const std::uint64_t before = GENERATE(0u, 10u, 64u, 1000u);
  const std::uint64_t count = GENERATE(0u, 1u, 2u, 300u);
  const auto told = block(size, before, [&](EventsWriter&, auto pair) {
    for (std::uint64_t i = 0; i < count; ++i) pair(3 + i);
  });
  const auto repeated = block(size, before, [&](EventsWriter& writer, auto) { writer.repeat(size, count); });
  CHECK(std::ranges::equal(told, repeated));
}
