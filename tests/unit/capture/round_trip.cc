// What is encoded is what is read, event for event and definition for definition.
#include <catch2/catch.hpp>

#include "streams.h"

namespace memray {

bool operator==(const Event& a, const Event& b) {
  return a.kind == b.kind && a.allocator == b.allocator && a.pieces == b.pieces && a.thread == b.thread &&
         a.site == b.site && a.index == b.index && a.number == b.number && a.address == b.address && a.size == b.size &&
         a.time == b.time;
}

namespace test {
namespace {

std::vector<Event> expected_of(std::vector<Event> events, Columns columns) {
  for (Event& event : events) {
    event.time = has(columns, Columns::time) ? floor_to_mark(event.time) : Time{};
    if (!has(columns, Columns::address)) event.address = 0;
    if (!has(columns, Columns::thread)) event.thread = ThreadId{};
  }
  return events;
}

void check_definitions(const Definitions& got, const Definitions& want) {
  REQUIRE(got.strings() == want.strings());
  REQUIRE(got.frames() == want.frames());
  REQUIRE(got.stacks() == want.stacks());
  REQUIRE(got.sites() == want.sites());
  REQUIRE(got.threads() == want.threads());
  REQUIRE(got.processes() == want.processes());
  REQUIRE(got.modules() == want.modules());
  for (std::uint32_t i = 0; i < want.strings(); ++i) REQUIRE(got.string(StringId{i}) == want.string(StringId{i}));
  for (std::uint32_t i = 0; i < want.frames(); ++i) {
    REQUIRE(got.frame(FrameId{i}) == want.frame(FrameId{i}));
    const auto a = got.locations(FrameId{i}), b = want.locations(FrameId{i});
    REQUIRE(std::vector(a.begin(), a.end()) == std::vector(b.begin(), b.end()));
  }
  for (std::uint32_t i = 0; i < want.stacks(); ++i) REQUIRE(got.frames_of(StackId{i}) == want.frames_of(StackId{i}));
  for (std::uint32_t i = 0; i < want.sites(); ++i) REQUIRE(got.site(SiteId{i}) == want.site(SiteId{i}));
  for (std::uint32_t i = 0; i < want.threads(); ++i) {
    const Thread &a = got.thread(ThreadId{i}), &b = want.thread(ThreadId{i});
    REQUIRE(std::tie(a.process, a.number, a.os_tid, a.name) == std::tie(b.process, b.number, b.os_tid, b.name));
  }
  REQUIRE(got.name_changes().size() == want.name_changes().size());
  for (std::size_t i = 0; i < want.name_changes().size(); ++i) {
    const NameChange &a = got.name_changes()[i], &b = want.name_changes()[i];
    REQUIRE(std::tie(a.thread, a.name, a.event) == std::tie(b.thread, b.name, b.event));
  }
  for (std::uint32_t i = 0; i < want.processes(); ++i) {
    const Process &a = got.process(ProcessId{i}), &b = want.process(ProcessId{i});
    REQUIRE(std::tie(a.pid, a.parent_pid, a.command_line, a.start) ==
            std::tie(b.pid, b.parent_pid, b.command_line, b.start));
  }
  for (std::uint32_t i = 0; i < want.modules(); ++i) {
    const Module &a = got.module(ModuleId{i}), &b = want.module(ModuleId{i});
    REQUIRE(std::tie(a.process, a.path, a.build_id, a.start, a.end, a.file_offset) ==
            std::tie(b.process, b.path, b.build_id, b.start, b.end, b.file_offset));
  }
}

void check_totals(const Totals& totals, const std::vector<Event>& events) {
  std::uint64_t allocations = 0, deallocations = 0, bytes = 0, live = 0, peak = 0;
  for (const Event& event : events) {
    if (event.kind == Event::Kind::allocation) {
      ++allocations;
      bytes += event.size;
      live += event.size;
    } else if (event.kind != Event::Kind::unknown_deallocation) {
      deallocations += event.kind == Event::Kind::deallocation;
      live -= event.size;
    }
    peak = std::max(peak, live);
  }
  CHECK(totals.events == events.size());
  CHECK(totals.allocations == allocations);
  CHECK(totals.deallocations == deallocations);
  CHECK(totals.allocated_bytes == bytes);
  CHECK(totals.peak_bytes == peak);
}

}  // namespace

TEST_CASE("events of every kind survive the way through a file") {
  const auto [count, block_bytes] = GENERATE(table<std::size_t, std::size_t>(
      {{0, 1000}, {1, 1000}, {10, 1}, {5'000, 100}, {50'000, 5'000}, {200'000, std::size_t{1} << 20}}));
  const bool compress = GENERATE(true, false);
  Stream stream;
  StreamMaker(stream, static_cast<unsigned>(count)).make(count);
  const Bytes bytes = encode(stream, {block_bytes, compress});
  const TemporaryFile file(bytes.all);

  const Capture capture(file.path());
  CHECK_FALSE(capture.damage());
  check_definitions(capture.definitions(), stream.definitions);
  check_totals(capture.totals(), stream.events);
  for (const Columns columns : {Columns::all, Columns::none, Columns::address, Columns::thread, Columns::time})
    CHECK((all_events(capture, columns) == expected_of(stream.events, columns)));
  CHECK((all_events(capture) == expected_of(stream.events, Columns::all)));
}

TEST_CASE("objects survive the way through a file") {
  const auto [count, block_bytes] =
      GENERATE(table<std::size_t, std::size_t>({{0, 1000}, {1, 1000}, {3'000, 100}, {30'000, 50'000}}));
  Stream stream;
  StreamMaker(stream, static_cast<unsigned>(count)).make_objects(count);
  const TemporaryFile file(encode(stream, {block_bytes, true}).all);
  const Capture capture(file.path());
  CHECK(has_objects(capture) == (count != 0));
  std::vector<ObjectEvent> found;
  objects(capture, [&](std::span<const ObjectEvent> events) {
    found.insert(found.end(), events.begin(), events.end());
    return true;
  });
  const auto fields = [](const ObjectEvent& e) {
    return std::tie(e.created, e.number, e.address, e.thread, e.time, e.type, e.stack, e.native_stack);
  };
  REQUIRE(found.size() == stream.objects.size());
  std::uint64_t created = 0, destroyed = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    REQUIRE(fields(found[i]) == fields(stream.objects[i]));
    ++(found[i].created ? created : destroyed);
  }
  for (const ObjectGroup& group : object_groups(capture)) {
    REQUIRE(group.surviving <= group.created);
    created -= group.created;
    destroyed -= group.created - group.surviving;
  }
  CHECK(created == 0);
  CHECK(destroyed == 0);
}

TEST_CASE("metadata and how the program ended") {
  const TemporaryFile file(encode(Stream{}).all);
  const Capture capture(file.path());
  const Metadata want = final_metadata(), got = capture.metadata();
  CHECK(got.memray_version == want.memray_version);
  CHECK(got.start_time_ns == want.start_time_ns);
  CHECK(got.end == want.end);
  CHECK(got.pid == want.pid);
  CHECK(got.command_line == want.command_line);
  CHECK(got.hooks == want.hooks);
  CHECK(got.unwinders == want.unwinders);
  CHECK(got.python_version == want.python_version);
  CHECK(got.native_traces);
  CHECK_FALSE(got.trace_python_allocators);
  CHECK(got.main_thread == want.main_thread);
  CHECK(got.dropped_events == want.dropped_events);
  CHECK(got.extra == want.extra);
  CHECK(describe(got.ending) == "killed by SIGKILL (9), core dumped");
}

TEST_CASE("memory samples") {
  Stream stream;
  StreamMaker(stream, 7).make(20'000);
  for (std::int64_t i = 0; i < 100; ++i)
    stream.samples.push_back({Time{i * 10'000'123}, ProcessId{static_cast<std::uint32_t>(i % 3)},
                              static_cast<std::uint64_t>(1'000'000 * (100 - i)), static_cast<std::uint64_t>(i * i)});
  const TemporaryFile file(encode(stream, {1000, true}).all);
  const Capture capture(file.path());
  REQUIRE(capture.memory_samples().size() == stream.samples.size());
  for (std::size_t i = 0; i < stream.samples.size(); ++i) {
    const MemorySample &a = capture.memory_samples()[i], &b = stream.samples[i];
    CHECK(std::tie(a.time, a.process, a.rss, a.heap) == std::tie(b.time, b.process, b.rss, b.heap));
  }
}

TEST_CASE("definitions may grow, threads be renamed and symbols come late, between blocks") {
  Stream stream;
  Bytes bytes;
  Definitions& d = stream.definitions;
  Encoder encoder(d, some_metadata(), {}, append_to(bytes));
  StreamMaker maker(stream, 3);
  maker.make(100);
  encoder.events(stream.events);
  encoder.flush();
  d.add_name_change({ThreadId{2}, d.thread(ThreadId{2}).name, 0});
  d.rename_thread(ThreadId{2}, d.add_string("renamed"));
  d.add_name_change({ThreadId{2}, d.thread(ThreadId{2}).name, 100});
  const std::vector<Location> inlined = {{d.add_string("inner"), d.add_string("a.cc"), 3},
                                         {d.add_string("outer"), {}, 9}};
  d.set_locations(FrameId{3}, inlined);
  maker.make(100);
  encoder.events(std::span(stream.events).subspan(100));
  Metadata later = some_metadata();
  later.python_allocator = "mimalloc";
  encoder.update_metadata(later);
  encoder.flush();
  d.rename_thread(ThreadId{2}, d.add_string("renamed again"));
  d.add_name_change({ThreadId{2}, d.thread(ThreadId{2}).name, 200});
  const TemporaryFile unfinished(bytes.all);
  encoder.finish(final_metadata());
  CHECK(bytes.all.size() == encoder.bytes_written());

  const TemporaryFile file(bytes.all);
  const Capture capture(file.path());
  check_definitions(capture.definitions(), d);
  CHECK((all_events(capture) == expected_of(stream.events, Columns::all)));

  const Capture part(unfinished.path());
  CHECK(part.damage());
  CHECK(part.metadata().python_allocator == "mimalloc");
  CHECK(part.metadata().ending.kind == Ending::Kind::unknown);
  CHECK((all_events(part) == expected_of(stream.events, Columns::all)));
}

TEST_CASE("a pass stops when the receiver has enough") {
  Stream stream;
  StreamMaker(stream, 1).make(50'000);
  const TemporaryFile file(encode(stream).all);
  const Capture capture(file.path());
  std::size_t batches = 0;
  capture.events(Columns::none, [&](std::span<const Event>) { return ++batches < 2; });
  CHECK(batches == 2);
}

TEST_CASE("progress goes from 0 to 1") {
  Stream stream;
  StreamMaker(stream, 1).make(5'000);
  const TemporaryFile file(encode(stream, {500, true}).all);
  Capture capture(file.path());
  std::vector<double> seen;
  capture.on_progress([&](double fraction) { seen.push_back(fraction); });
  all_events(capture);
  REQUIRE(seen.size() > 3);
  CHECK(std::is_sorted(seen.begin(), seen.end()));
  CHECK(seen.back() == 1.0);
}

}  // namespace test
}  // namespace memray
