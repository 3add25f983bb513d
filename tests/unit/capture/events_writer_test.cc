// Short cuts of the writer of events blocks, against the long way.
#include "capture/events_writer.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <deque>
#include <map>
#include <random>
#include <vector>

using namespace memray;
using namespace memray::format;

namespace {

constexpr ThreadId kThread{3};
constexpr std::uint64_t kPlace = 0x1000;

// One block lives, `before` more came and went, and then `size` bytes do so again and again.
template <typename Again>
std::vector<std::byte> block(Allocator begin, std::uint64_t size, std::uint64_t before, Again again) {
  const Allocator end = begin == Allocator::malloc ? Allocator::free : Allocator::pymalloc_free;
  EventsWriter writer;
  writer.time(Time{5'000'000});
  writer.allocation(SiteId{1}, true, kThread, begin, 500, 0x9000);
  writer.allocation(SiteId{2}, true, kThread, begin, before, 0x8000);
  writer.deallocation(1, kThread, end, before, 0x8000);
  const auto pair = [&](std::uint64_t number) {
    writer.allocation(SiteId{7}, true, kThread, begin, size, kPlace);
    writer.deallocation(number, kThread, end, size, kPlace);
  };
  pair(2);
  again(writer, pair);
  // What comes after depends on all that the writer remembers.
  writer.allocation(SiteId{8}, true, kThread, begin, size, kPlace);
  writer.deallocation(0, kThread, end, 500, 0x9000);
  Compression compression(false);
  BlockBuilder builder(BlockKind::events, compression);
  const EventsSummary summary = writer.finish(builder);
  const ByteWriter bytes = builder.finish(&summary);
  return {bytes.bytes().begin(), bytes.bytes().end()};
}

}  // namespace

namespace {

// As much of pymalloc as tells where blocks go: pools of one class, each with its freed blocks, latest first.
class Pymalloc {
 public:
  std::uint64_t allocate(std::uint64_t size) {
    const std::uint64_t size_class = (size - 1) / 16;
    auto& usable = usable_[size_class];
    if (usable.empty()) {
      pools_[next_] = {size_class, {}, 48};
      usable.push_front(next_);
      next_ += kPool;
    }
    const std::uint64_t at = usable.front();
    Pool& pool = pools_[at];
    std::uint64_t block = at + pool.used;
    if (pool.freed.empty()) {
      pool.used += (size_class + 1) * 16;
    } else {
      block = pool.freed.back();
      pool.freed.pop_back();
    }
    if (is_full(pool)) usable.pop_front();
    return block;
  }
  void free(std::uint64_t block) {
    const std::uint64_t at = block / kPool * kPool;
    Pool& pool = pools_[at];
    if (is_full(pool)) usable_[pool.size_class].push_front(at);
    pool.freed.push_back(block);
  }

 private:
  static constexpr std::uint64_t kPool = 16384;
  struct Pool {
    std::uint64_t size_class;
    std::vector<std::uint64_t> freed;
    std::uint64_t used;
  };
  static bool is_full(const Pool& pool) { return pool.freed.empty() && pool.used + (pool.size_class + 1) * 16 > kPool; }
  std::map<std::uint64_t, Pool> pools_;
  std::map<std::uint64_t, std::deque<std::uint64_t>> usable_;
  std::uint64_t next_ = 0x7f00'0000'0000;
};

struct Told {
  bool begins;
  std::uint64_t size, address;
};

// Writes the column, reads it again, and returns its bytes.
std::size_t addresses_round_trip(const std::vector<Told>& events) {
  AddressColumnWriter writer;
  for (const Told& event : events)
    event.begins ? writer.allocation(Allocator::pymalloc_malloc, event.size, event.address)
                 : writer.deallocation(Allocator::pymalloc_free, event.size, event.address);
  AddressColumnReader reader(writer.codes(), writer.deltas());
  for (const Told& event : events) {
    if (event.begins) {
      REQUIRE(reader.allocation(Allocator::pymalloc_malloc, event.size) == event.address);
    } else {
      reader.deallocation(Allocator::pymalloc_free, event.size, event.address);
    }
  }
  REQUIRE(reader.ok());
  const auto wrong = std::ranges::count_if(writer.codes(), [](std::byte code) { return code != std::byte{0}; });
  return static_cast<std::size_t>(wrong) + writer.deltas().size();
}

}  // namespace

TEST_CASE("the addresses that Python's allocator gives are foreseen") {
  std::mt19937 random(3);
  Pymalloc allocator;
  std::vector<Told> events, live;
  for (int i = 0; i < 100'000; ++i) {
    if (live.size() < 3000 || random() % 2 == 0) {
      const std::uint64_t size = 1 + random() % 512;
      live.push_back({true, size, allocator.allocate(size)});
      events.push_back(live.back());
    } else {
      std::swap(live[random() % live.size()], live.back());
      events.push_back({false, live.back().size, live.back().address});
      allocator.free(live.back().address);
      live.pop_back();
    }
  }
  CHECK(addresses_round_trip(events) < 1500);  // when a pool is new, mostly
}

TEST_CASE("addresses that no allocator would give come back as well") {
  std::mt19937_64 random(4);
  std::vector<Told> events;
  for (int i = 0; i < 200'000; ++i) {
    const std::uint64_t where = random() % 4 == 0 ? random() : random() % 8 << 48 | (random() % (1u << 18));
    events.push_back({random() % 3 != 0, random() % 513, random() % 8 == 0 ? where : where & ~std::uint64_t{15}});
  }
  addresses_round_trip(events);
}

TEST_CASE("address 0 comes back from a pool behind another one") {
  addresses_round_trip({{true, 16, 16}, {true, 16, 0x40030}, {false, 16, 0}, {true, 16, 0}});
}

TEST_CASE("what is repeated is written as if it had been told each time") {
  const Allocator allocator = GENERATE(Allocator::malloc, Allocator::pymalloc_malloc);
  const std::uint64_t size = GENERATE(0u, 64u);
  const std::uint64_t before = GENERATE(0u, 10u, 64u, 1000u);
  const std::uint64_t count = GENERATE(0u, 1u, 2u, 300u);
  const auto told = block(allocator, size, before, [&](EventsWriter&, auto pair) {
    for (std::uint64_t i = 0; i < count; ++i) pair(3 + i);
  });
  const auto repeated = block(allocator, size, before, [&](EventsWriter& writer, auto) { writer.repeat(size, count); });
  CHECK(std::ranges::equal(told, repeated));
}
