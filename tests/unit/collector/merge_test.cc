// The collector, fed with items word by word: by a recorder that does what the test says, at the moments it says.
#include "collector/collector.h"

#include <memray/capture.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>
#include <random>
#include <tuple>

using namespace memray;
using namespace memray::session;

namespace {

class KeepingSink final : public Sink {
 public:
  explicit KeepingSink(Input input) : input_(input) {}
  Input input() const override { return input_; }
  Status open(const SinkConfig&) override { return {}; }
  std::string destination() const override { return {}; }
  Status write(const Block& block) override {
    bytes.insert(bytes.end(), block.bytes.begin(), block.bytes.end());
    return {};
  }
  Status events(std::span<const Event> events, const Definitions& definitions) override {
    for (const Event& event : events) {
      kept.push_back(event);
      if (event.kind == Event::Kind::allocation) stacks.push_back(definitions.site(event.site).native_stack);
    }
    return {};
  }
  Status finish(const Metadata&, bool) override { return {}; }

  std::vector<std::byte> bytes;
  std::vector<Event> kept;
  std::vector<StackId> stacks;  // of allocations

 private:
  Input input_;
};

// A thread of the program.
class Writer {
 public:
  Writer(void* session, std::uint32_t thread) : chunk_(chunk_at(session, pop_chunk(session))) {
    chunk_->thread = thread;
    chunk_->os_tid = static_cast<std::uint32_t>(getpid());
    chunk_->state.store(ChunkState::open);
  }
  void put(const std::vector<std::uint64_t>& words) {
    auto* const used = reinterpret_cast<std::byte*>(chunk_words(chunk_)) + committed_bytes(chunk_->committed.load());
    std::memcpy(used, words.data(), words.size() * sizeof words[0]);
    chunk_->committed.fetch_add(static_cast<std::uint32_t>(words.size() * sizeof words[0]));
  }
  // So many items are repeated and not yet written down.
  void repeat(std::uint32_t count) {
    chunk_->committed.store(committed_word(committed_bytes(chunk_->committed.load()), count));
  }

 private:
  ChunkHeader* chunk_;
};

struct Program {
  explicit Program(Sink::Input input, std::uint32_t threads = 1) : sink(input), collector(session, sink, {}) {
    Control& control = session.control();
    control.image[0].state.store(ImageState::attached);
    control.image[0].pid.store(static_cast<std::uint32_t>(getpid()));
    control.images.store(1);
    for (std::uint32_t i = 1; i <= threads; ++i) thread.emplace_back(session.base(), i);
    definitions.emplace_back(session.base(), 0);
  }

  // No file is mapped, as of `stamp`.
  void list_modules(std::uint64_t stamp) {
    definitions[0].put({kDefinition | 1 << 8 | std::uint64_t{32} << 16, std::uint64_t{4}, stamp, 0, 0});
  }
  void finish() {
    collector.drain(true);
    collector.finish({});
  }
  // What a reader finds.
  std::vector<Event> written() const {
    const auto path = std::filesystem::temp_directory_path() / ("merge-test-" + std::to_string(getpid()));
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(sink.bytes.data()), static_cast<std::streamsize>(sink.bytes.size()));
    const Capture capture(path);
    std::filesystem::remove(path);
    std::vector<Event> events;
    capture.events(Columns::all, [&](std::span<const Event> some) {
      events.insert(events.end(), some.begin(), some.end());
      return true;
    });
    return events;
  }

  RecordRequest request;
  collector::Session session{request};
  KeepingSink sink;
  collector::Collector collector;
  std::deque<Writer> thread, definitions;
};

std::vector<std::uint64_t> allocation(std::uint64_t stamp, std::uint64_t address, std::uint64_t size) {
  if (!has_short_form(address, size)) return {stamp_item(stamp), long_allocation_item(MEMRAY_MALLOC, size), address};
  return {stamp_item(stamp), allocation_item(MEMRAY_MALLOC, address, size)};
}
// Always in the long form, which means the same.
std::vector<std::uint64_t> zeroed_allocation(std::uint64_t stamp, std::uint64_t address, std::uint64_t size) {
  return {stamp_item(stamp), long_allocation_item(MEMRAY_CALLOC, size), address};
}
std::vector<std::uint64_t> deallocation(std::uint64_t stamp, std::uint64_t address) {
  return {stamp_item(stamp), deallocation_item(MEMRAY_FREE, address)};
}

auto fields(const Event& e) {
  return std::tie(e.kind, e.number, e.address, e.size, e.site, e.thread, e.allocator, e.pieces);
}

// Three threads in no order: blocks and mappings, some freed twice, never, late, or by others; sizes of all kinds.
void do_much(Program& program) {
  std::mt19937 random(7);
  const auto one_of = [&](std::uint32_t count) { return random() % count; };
  for (std::uint64_t stamp = 1; stamp < 3000; ++stamp) {
    Writer& writer = program.thread[one_of(3)];
    const std::uint64_t address = 0x10000 + 16 * one_of(300);
    const std::uint64_t mapping = 0x100'0000 + 4096 * one_of(20);
    switch (one_of(12)) {
      case 0:
        writer.put({stack_item(MEMRAY_STACK_NATIVE, 0, 1), 1 + one_of(5)});
        break;
      case 1:
        writer.put({kMapping | stamp << 8, mapping, 4096 * (1 + one_of(4)), 0});
        break;
      case 2:
        writer.put({kUnmapping | stamp << 8, mapping, 4096 * (1 + one_of(4))});
        break;
      case 3:
        writer.put(allocation(stamp, address + (std::uint64_t{1} << 40), std::uint64_t{5} << 30));
        break;
      case 4:
        writer.put(deallocation(stamp, address + (std::uint64_t{1} << 40)));
        break;
      case 5:
        writer.put(deallocation(stamp > 50 ? stamp - 50 : 1, address));
        break;
      default:
        one_of(2) != 0 ? writer.put(allocation(stamp, address, one_of(2) != 0 ? 8 : one_of(2000)))
                       : writer.put(deallocation(stamp, address));
    }
    if (stamp % 500 == 0) program.collector.drain(false);
  }
  program.finish();
}

// Blocks at one place, in whole items.
void do_the_same(Program& program) {
  Writer& writer = program.thread[0];
  const auto pair = [&](std::uint64_t stamp, auto begin) {
    writer.put(begin(stamp, 0x1000, 64));
    writer.put(deallocation(stamp, 0x1000));
  };
  pair(1, allocation);
  for (int i = 0; i < 41; ++i) pair(2, allocation);
  writer.put(allocation(2, 0x1000, 64));
  writer.put(allocation(2, 0x2000, 64));
  writer.put(deallocation(3, 0x1000));
  writer.put(deallocation(3, 0x2000));
  for (int i = 0; i < 4; ++i) pair(4, zeroed_allocation);
  program.finish();
}

// The same as a recorder writes it, and the collector sees it coming.
void do_the_same_in_short(Program& program, bool steady) {
  Writer& writer = program.thread[0];
  const std::uint64_t begin = allocation_item(MEMRAY_MALLOC, 0x1000, 64);
  const std::uint64_t end = deallocation_item(MEMRAY_FREE, 0x1000);
  if (!steady) {
    program.list_modules(1);
    program.list_modules(1'000'000);
  }
  writer.put(allocation(1, 0x1000, 64));
  writer.put({end, stamp_item(2), begin, end});
  for (const std::uint32_t count : {1, 2, 7, 8, 41}) {
    writer.repeat(count);
    program.collector.drain(false);
  }
  writer.repeat(60);
  writer.repeat(0);
  writer.put({kRepeats | 81 << 8});
  writer.put({allocation_item(MEMRAY_MALLOC, 0x2000, 64)});
  writer.put(deallocation(3, 0x1000));
  writer.put({deallocation_item(MEMRAY_FREE, 0x2000)});
  writer.put({stamp_item(4), allocation_item(MEMRAY_CALLOC, 0x1000, 64), end});
  writer.repeat(4);
  program.collector.drain(false);
  writer.repeat(6);
  program.finish();
}

}  // namespace

TEST_CASE("short forms, and what is repeated, are what they stand for") {
  const bool steady = GENERATE(true, false);
  const auto input = GENERATE(Sink::Input::events, Sink::Input::blocks);
  Program whole(Sink::Input::events), brief(input);
  do_the_same(whole);
  do_the_same_in_short(brief, steady);
  const std::vector<Event> events = input == Sink::Input::events ? brief.sink.kept : brief.written();
  REQUIRE(events.size() == 2 + 2 * 41 + 4 + 2 * 4 + 1);  // the end of the program
  REQUIRE(events.size() == whole.sink.kept.size());
  for (std::size_t i = 0; i < events.size(); ++i) {
    INFO("event " << i);
    CHECK(fields(events[i]) == fields(whole.sink.kept[i]));
  }
}

TEST_CASE("what is written without events in between is what sinks get that want them") {
  Program with_events(Sink::Input::events, 3), with_blocks(Sink::Input::blocks, 3);
  do_much(with_events);
  do_much(with_blocks);
  const std::vector<Event> written = with_blocks.written();
  REQUIRE(written.size() > 2000);
  REQUIRE(written.size() == with_events.sink.kept.size());
  for (std::size_t i = 0; i < written.size(); ++i) {
    INFO("event " << i);
    REQUIRE(fields(written[i]) == fields(with_events.sink.kept[i]));
  }
  const Totals totals = with_blocks.collector.totals();
  CHECK(totals.events == with_events.collector.totals().events);
  CHECK(totals.allocations == with_events.collector.totals().allocations);
  CHECK(totals.deallocations == with_events.collector.totals().deallocations);
  CHECK(totals.allocated_bytes == with_events.collector.totals().allocated_bytes);
  CHECK(totals.peak_bytes == with_events.collector.totals().peak_bytes);
}

TEST_CASE("a stack change that waits for its moment is not forgotten when nothing is awaited any more") {
  Program program(Sink::Input::events, 2);
  program.list_modules(1);
  program.list_modules(100);  // libraries come or go: until then, changes wait
  program.thread[0].put({stack_item(MEMRAY_STACK_NATIVE, 0, 1), 0x1234});
  program.thread[1].put(allocation(200, 0x1000, 1));
  program.collector.drain(true);
  program.thread[0].put(allocation(300, 0x2000, 1));
  program.finish();
  REQUIRE(program.sink.stacks.size() == 2);
  CHECK(program.sink.stacks[0] == kNoStack);
  CHECK(program.sink.stacks[1] != kNoStack);
}
