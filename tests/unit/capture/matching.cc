// The matcher against models that are too simple to be wrong: heap blocks in a std::map, mappings page by page.
#include <catch2/catch.hpp>
#include <deque>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "capture/matcher.h"

namespace memray {
namespace {

constexpr std::uint64_t kPage = 4096;

struct Live {
  std::uint64_t size = 0;
  std::uint32_t pieces = 1;
  friend bool operator==(const Live&, const Live&) = default;
};
using LiveSet = std::map<std::uint64_t, Live>;  // by allocation number

// Follows the events as a reader would.
class Ledger {
 public:
  explicit Ledger(const Definitions& definitions) : definitions_(definitions) {}

  void apply(Matcher& matcher) {
    for (const Event& event : matcher.events()) apply(event);
    matcher.clear();
    REQUIRE(matcher.live_bytes() == bytes_);
    REQUIRE(matcher.live_count() == live.size());
    REQUIRE(matcher.peak_bytes() == peak_);
  }

  LiveSet live;
  std::uint64_t unknown = 0;

 private:
  void apply(const Event& event) {
    const Site* const site = event.kind <= Event::Kind::partial_deallocation ? &definitions_.site(event.site) : nullptr;
    switch (event.kind) {
      case Event::Kind::allocation:
        REQUIRE(event.number == next_++);
        REQUIRE(event.allocator == site->allocator);
        REQUIRE(event.thread == site->thread);
        if (site->fixed_size) REQUIRE(event.size == site->size);
        live[event.number] = {event.size, 1};
        processes_[event.number] = definitions_.thread(site->thread).process;
        bytes_ += event.size;
        break;
      case Event::Kind::deallocation:
        REQUIRE(live.count(event.number) == 1);
        REQUIRE(live[event.number].size == event.size);
        REQUIRE(event.allocator == deallocator_of(site->allocator));
        live.erase(event.number);
        bytes_ -= event.size;
        break;
      case Event::Kind::partial_deallocation:
        REQUIRE(live.count(event.number) == 1);
        REQUIRE(live[event.number].size > event.size);
        REQUIRE(event.pieces >= 1);
        live[event.number].size -= event.size;
        live[event.number].pieces = event.pieces;
        bytes_ -= event.size;
        break;
      case Event::Kind::unknown_deallocation:
        ++unknown;
        break;
      case Event::Kind::process_exec:
      case Event::Kind::process_exit: {
        std::uint64_t dropped = 0;
        std::erase_if(live, [&](const auto& pair) {
          if (index(processes_[pair.first]) != event.index) return false;
          dropped += pair.second.size;
          return true;
        });
        REQUIRE(event.size == dropped);
        bytes_ -= dropped;
        break;
      }
    }
    peak_ = std::max(peak_, bytes_);
  }

  const Definitions& definitions_;
  std::map<std::uint64_t, ProcessId> processes_;
  std::uint64_t next_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t peak_ = 0;
};

// What is live according to the operations, without any cleverness.
class Model {
 public:
  void allocate(const RawAllocation& a) { heap_[{a.process, a.address}] = {next_++, a.size}; }
  bool deallocate(const RawDeallocation& d) { return heap_.erase({d.process, d.address}) != 0; }
  void map(const RawAllocation& a) {
    for (std::uint64_t page = a.address; page < a.address + a.size; page += kPage) pages_[{a.process, page}] = next_;
    ++next_;
  }
  bool unmap(const RawDeallocation& d) {
    bool any = false;
    for (std::uint64_t page = d.address; page < d.address + d.length; page += kPage)
      any |= pages_.erase({d.process, page}) != 0;
    return any;
  }
  void end(ProcessId process) {
    std::erase_if(heap_, [&](const auto& pair) { return pair.first.first == process; });
    std::erase_if(pages_, [&](const auto& pair) { return pair.first.first == process; });
  }

  LiveSet live() const {
    LiveSet result;
    for (const auto& [key, block] : heap_) result[block.first] = {block.second, 1};
    std::pair<ProcessId, std::uint64_t> previous{};
    std::uint64_t previous_number = ~std::uint64_t{0};
    for (const auto& [key, number] : pages_) {
      Live& mapping = result.try_emplace(number, Live{0, 0}).first->second;
      mapping.size += kPage;
      const bool continues = number == previous_number && key == std::pair(previous.first, previous.second + kPage);
      mapping.pieces += continues ? 0 : 1;
      previous = key;
      previous_number = number;
    }
    return result;
  }

 private:
  std::map<std::pair<ProcessId, std::uint64_t>, std::pair<std::uint64_t, std::uint64_t>> heap_;
  std::map<std::pair<ProcessId, std::uint64_t>, std::uint64_t> pages_;
  std::uint64_t next_ = 0;
};

class Scenario {
 public:
  explicit Scenario(unsigned seed) : random(seed) {
    for (std::uint32_t p = 0; p < 2; ++p) {
      definitions.add_process({});
      for (std::uint32_t t = 1; t <= 2; ++t) definitions.add_thread({ProcessId{p}, t, t, kNoString});
    }
    for (std::uint32_t i = 0; i < 5; ++i) definitions.add_frame({FrameKind::native, false, kNoModule, i, {}});
    for (std::uint32_t i = 0; i < 5; ++i) definitions.add_stack(kNoStack, FrameId{i});
  }

  std::uint64_t below(std::uint64_t n) { return random() % n; }

  RawAllocation allocation(std::uint64_t addresses) {
    RawAllocation a;
    a.process = ProcessId{static_cast<std::uint32_t>(below(2))};
    a.thread = ThreadId{index(a.process) * 2 + static_cast<std::uint32_t>(below(2))};
    a.allocator = below(2) == 0 ? Allocator::malloc : Allocator::pymalloc_malloc;
    a.stack = StackId{static_cast<std::uint32_t>(below(6))};
    a.address = 0x10000 + 16 * below(addresses);
    a.size = below(10) == 0 ? below(std::uint64_t{1} << 33) : below(100);
    a.stamp = ++stamp;
    return a;
  }
  RawDeallocation deallocation(std::uint64_t addresses) {
    RawDeallocation d;
    d.process = ProcessId{static_cast<std::uint32_t>(below(2))};
    d.thread = ThreadId{index(d.process) * 2};
    d.address = 0x10000 + 16 * below(addresses);
    d.stamp = ++stamp;
    return d;
  }
  RawAllocation mapping() {
    RawAllocation a = allocation(1);
    a.allocator = Allocator::mmap;
    a.address = kPage * (16 + below(40));
    a.size = kPage * (1 + below(12));
    return a;
  }
  RawDeallocation unmapping() {
    RawDeallocation d = deallocation(1);
    d.allocator = Allocator::munmap;
    d.address = kPage * (16 + below(40));
    d.length = kPage * (1 + below(12));
    return d;
  }

  std::mt19937_64 random;
  Definitions definitions;
  Matcher matcher{definitions};
  Ledger ledger{definitions};
  std::uint64_t stamp = 0;
};

}  // namespace

TEST_CASE("the matcher agrees with a naive model") {
  Scenario s(GENERATE(range(1u, 11u)));
  Model model;
  std::uint64_t unknown = 0;
  for (int i = 0; i < 4000; ++i) {
    const std::uint64_t choice = s.below(1000);
    if (choice < 350) {
      const RawAllocation a = s.allocation(300);
      s.matcher.allocate(a);
      model.allocate(a);
    } else if (choice < 650) {
      const RawDeallocation d = s.deallocation(300);
      s.matcher.deallocate(d);
      unknown += !model.deallocate(d);
    } else if (choice < 830) {
      const RawAllocation a = s.mapping();
      s.matcher.map(a);
      model.map(a);
    } else if (choice < 998) {
      const RawDeallocation d = s.unmapping();
      s.matcher.unmap(d);
      unknown += !model.unmap(d);
    } else {
      const ProcessId process{static_cast<std::uint32_t>(s.below(2))};
      s.matcher.process_ended(process, s.below(2) == 0, Time{i});
      model.end(process);
    }
    s.ledger.apply(s.matcher);
    REQUIRE(s.ledger.live == model.live());
    // An allocation at a live address announces a free of the old block, which the model knows nothing of; a free that
    // comes later is taken for it only if it is older, and none is.
    REQUIRE(s.ledger.unknown == unknown);
    REQUIRE(s.matcher.unknown_deallocations() == unknown);
  }
}

TEST_CASE("deallocations reported late end what they ended when they happened") {
  Scenario s(GENERATE(range(1u, 21u)));
  const bool mappings = GENERATE(false, true);
  Model model;
  std::uint64_t unknown = 0;
  struct Report {
    int due;
    RawDeallocation what;
  };
  std::deque<Report> late;
  const auto deliver = [&](int now) {
    for (auto at = late.begin(); at != late.end();) {
      if (at->due > now) {
        ++at;
        continue;
      }
      mappings ? s.matcher.unmap(at->what) : s.matcher.deallocate(at->what);
      at = late.erase(at);
    }
  };
  std::set<std::pair<ProcessId, std::uint64_t>> taken;
  for (int i = 0; i < 5000; ++i) {
    deliver(i);
    if (s.below(2) == 0) {
      RawAllocation a = mappings ? s.mapping() : s.allocation(20);
      // A real allocator hands out no address that is in use.
      if (!mappings && !taken.insert({a.process, a.address}).second) continue;
      mappings ? s.matcher.map(a) : s.matcher.allocate(a);
      mappings ? model.map(a) : model.allocate(a);
    } else {
      const RawDeallocation d = mappings ? s.unmapping() : s.deallocation(20);
      const bool known = mappings ? model.unmap(d) : model.deallocate(d);
      unknown += !known;
      taken.erase({d.process, d.address});
      late.push_back({s.below(3) == 0 ? i + static_cast<int>(s.below(30)) : i, d});
      deliver(i);
    }
    s.ledger.apply(s.matcher);
  }
  deliver(1 << 30);
  s.ledger.apply(s.matcher);
  CHECK(s.ledger.live == model.live());
  if (!mappings) CHECK(s.ledger.unknown == unknown);
}

TEST_CASE("lengths of mappings that are no whole pages") {
  Scenario s(1);
  RawAllocation a = s.mapping();
  a.process = ProcessId{0};
  a.thread = ThreadId{0};
  a.address = 100 * kPage;
  a.size = 5000;
  RawDeallocation d = s.unmapping();
  d.process = ProcessId{0};
  d.address = a.address;

  SECTION("are counted as asked for and go with the pages") {
    s.matcher.map(a);
    CHECK(s.matcher.live_bytes() == 5000);
    d.length = 1;
    s.matcher.unmap(d);
    CHECK(s.matcher.live_bytes() == 5000 - kPage);
    d.address += kPage;
    s.matcher.unmap(d);
    CHECK(s.matcher.live_bytes() == 0);
    CHECK(s.matcher.unknown_deallocations() == 0);
  }
  SECTION("a hole in the middle makes two pieces, and each further unmapping says how many are left") {
    a.size = 10 * kPage;
    s.matcher.map(a);
    d.address = a.address + 4 * kPage;
    d.length = kPage;
    s.matcher.unmap(d);
    REQUIRE(s.matcher.events().size() == 2);
    CHECK(s.matcher.events()[1].kind == Event::Kind::partial_deallocation);
    CHECK(s.matcher.events()[1].pieces == 2);
    CHECK(s.matcher.events()[1].address == d.address);
    CHECK(s.matcher.events()[1].size == kPage);
    CHECK(s.matcher.live_count() == 1);
    d.address = a.address;
    d.length = 10 * kPage;
    s.matcher.unmap(d);
    REQUIRE(s.matcher.events().size() == 4);
    CHECK(s.matcher.events()[2].pieces == 1);
    CHECK(s.matcher.events()[2].size == 4 * kPage);
    CHECK(s.matcher.events()[3].kind == Event::Kind::deallocation);
    CHECK(s.matcher.events()[3].size == 5 * kPage);
    CHECK(s.matcher.events()[3].address == a.address);
  }
  SECTION("at the end of the address space") {
    a.address = ~std::uint64_t{0} - 10;
    s.matcher.map(a);
    d.address = a.address;
    d.length = ~std::uint64_t{0};
    s.matcher.unmap(d);
    CHECK(s.matcher.live_count() == 0);
  }
}

TEST_CASE("a place that allocates many sizes gets one site for the later ones") {
  Scenario s(1);
  RawAllocation a = s.allocation(1);
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    a.address = 0x10000 + 16 * i;
    a.size = i % 5000;
    s.matcher.allocate(a);
  }
  CHECK(s.definitions.sites() == 257);
  s.ledger.apply(s.matcher);
  for (std::uint64_t i = 0; i < 10'000; ++i) REQUIRE(s.ledger.live[i].size == i % 5000);
}

TEST_CASE("a large heap block keeps its size") {
  Scenario s(1);
  RawAllocation a = s.allocation(1);
  for (const std::uint64_t size : {0xffff'fffeull, 0xffff'ffffull, 0x1'0000'0000ull, 1ull << 50}) {
    a.size = size;
    ++a.stamp;
    s.matcher.allocate(a);
    CHECK(s.matcher.live_bytes() == size);
  }
  s.ledger.apply(s.matcher);
  RawDeallocation d;
  d.process = a.process;
  d.address = a.address;
  d.stamp = a.stamp;
  s.matcher.deallocate(d);
  CHECK(s.matcher.live_bytes() == 0);
}

}  // namespace memray
