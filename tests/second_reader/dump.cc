// dump make SEED EVENTS BLOCK_BYTES COMPRESS PATH: writes a capture of random events.
// dump aggregate SEED EVENTS PATH: writes what the same events add up to.
// dump read PATH: prints a capture as reader.py does, with memray's own reader.
#include <fmt/core.h>
#include <memray/aggregate_encoder.h>
#include <memray/capture.h>

#include <cstdlib>
#include <string>
#include <string_view>

#include "../unit/capture/streams.h"
#include "capture/capture_state.h"

namespace {

using namespace memray;

std::string json_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

void print_entry(std::string_view table, std::size_t number, const std::string& entry) {
  fmt::print("{{\"table\": \"{}\", \"number\": {}, \"entry\": {}}}\n", table, number, entry);
}

template <typename Print>
void print_table(std::string_view table, std::size_t count, Print print) {
  for (std::uint32_t n = 0; n < count; ++n) print_entry(table, n, print(n));
}

std::string frame_text(const Definitions& d, std::uint32_t n) {
  const Frame& frame = d.frame(FrameId{n});
  const bool native = frame.kind == FrameKind::native;
  std::string out = fmt::format("{{\"native\": {}, \"entry\": {}, ", native, frame.entry);
  if (native)
    out += fmt::format("\"module\": {}, \"address\": {}, ",
                       frame.module == kNoModule ? -1 : static_cast<std::int64_t>(index(frame.module)), frame.address);
  std::string locations;
  for (const Location& l : d.locations(FrameId{n}))
    locations += fmt::format("{}[{}, {}, {}]", locations.empty() ? "" : ", ", index(l.function), index(l.file), l.line);
  return out + "\"locations\": [" + locations + "]}";
}

void print_definitions(const Capture& capture) {
  const Definitions& d = capture.definitions();
  print_table("strings", d.strings(), [&](std::uint32_t n) { return json_text(d.string(StringId{n})); });
  print_table("frames", d.frames(), [&](std::uint32_t n) { return frame_text(d, n); });
  print_table("stacks", d.stacks(), [&](std::uint32_t n) -> std::string {
    const Stack& s = d.stack(StackId{n});
    return n == 0 ? "null" : fmt::format("{{\"parent\": {}, \"frame\": {}}}", index(s.parent), index(s.frame));
  });
  print_table("sites", d.sites(), [&](std::uint32_t n) {
    const Site& s = d.site(SiteId{n});
    return fmt::format("{{\"stack\": {}, \"native\": {}, \"thread\": {}, \"allocator\": {}, \"size\": {}}}",
                       index(s.stack), index(s.native_stack), index(s.thread), static_cast<int>(s.allocator),
                       s.fixed_size ? std::to_string(s.size) : "null");
  });
  print_table("threads", d.threads(), [&](std::uint32_t n) {
    const Thread& t = d.thread(ThreadId{n});
    return fmt::format("{{\"process\": {}, \"number\": {}, \"tid\": {}, \"name\": {}}}", index(t.process), t.number,
                       t.os_tid, index(t.name));
  });
  print_table("processes", d.processes(), [&](std::uint32_t n) {
    const Process& p = d.process(ProcessId{n});
    return fmt::format("{{\"pid\": {}, \"parent\": {}, \"command\": {}, \"start\": {}}}", p.pid, p.parent_pid,
                       index(p.command_line), nanoseconds(p.start));
  });
  print_table("modules", d.modules(), [&](std::uint32_t n) {
    const Module& m = d.module(ModuleId{n});
    return fmt::format(
        "{{\"process\": {}, \"path\": {}, \"build_id\": {}, \"start\": {}, \"end\": {}, \"offset\": {}}}",
        index(m.process), index(m.path), index(m.build_id), m.start, m.end, m.file_offset);
  });
  print_table("samples", capture.memory_samples().size(), [&](std::uint32_t n) {
    const MemorySample& s = capture.memory_samples()[n];
    return fmt::format(
        "{{\"time\": {}, \"process\": {}, \"rss\": {}, \"heap\": {}, \"process_heap\": {}, \"anonymous\": {}, "
        "\"mapped\": {}, \"pss\": {}, \"mappings\": {}, \"own\": {}}}",
        nanoseconds(s.time), index(s.process), s.rss, s.heap, s.process_heap, s.anonymous, s.mapped, s.pss, s.mappings,
        s.own);
  });
}

void print_aggregates(const Aggregates& a) {
  std::size_t number = 0;
  const auto print = [&](const std::string& entry) { print_entry("aggregates", number++, entry); };
  print(fmt::format(
      "{{\"totals\": {{\"events\": {}, \"allocations\": {}, \"deallocations\": {}, \"unknown\": {}, "
      "\"allocated_bytes\": {}, \"peak_bytes\": {}, \"peak_time\": {}, \"end\": {}, \"restated\": {}}}}}",
      a.totals.events, a.totals.allocations, a.totals.deallocations, a.unknown_deallocations, a.totals.allocated_bytes,
      a.totals.peak_bytes, nanoseconds(a.peak_time), nanoseconds(a.end), a.restated_events));
  const auto print_sites = [&](std::string_view name, const SiteTotals& totals) {
    for (std::size_t i = 0; i < totals.size(); ++i)
      if (totals[i].count != 0)
        print(fmt::format("{{\"{}\": {}, \"bytes\": {}, \"count\": {}}}", name, i, totals[i].bytes, totals[i].count));
  };
  print_sites("peak", a.peak);
  print_sites("live", a.live);
  print_sites("kept", a.kept);
  print_sites("allocated", a.allocated);
  for (const auto& [size, count] : a.varying_sizes) print(fmt::format("{{\"size\": {}, \"count\": {}}}", size, count));
}

void print_event(const Event& e) {
  constexpr const char* kKinds[] = {"allocation", "deallocation", "partial", "unknown", "exec", "exit"};
  fmt::print("{{\"kind\": \"{}\", \"size\": {}, \"thread\": {}, \"time\": {}", kKinds[static_cast<int>(e.kind)], e.size,
             index(e.thread), nanoseconds(e.time));
  if (e.kind >= Event::Kind::process_exec) {
    fmt::print(", \"process\": {}}}\n", e.index);
    return;
  }
  fmt::print(", \"allocator\": {}, \"address\": {}", static_cast<int>(e.allocator), e.address);
  if (e.kind != Event::Kind::unknown_deallocation)
    fmt::print(", \"site\": {}, \"number\": {}", index(e.site), e.number);
  if (e.kind == Event::Kind::partial_deallocation) fmt::print(", \"pieces\": {}", e.pieces);
  fmt::print("}}\n");
}

void print_objects(const Capture& capture) {
  objects(capture, [](std::span<const ObjectEvent> events) {
    for (const ObjectEvent& e : events)
      fmt::print(
          "{{\"object\": {}, \"created\": {}, \"address\": {}, \"type\": {}, \"stack\": {}, \"native\": {}, "
          "\"thread\": {}, "
          "\"time\": {}}}\n",
          e.number, e.created, e.address, index(e.type), index(e.stack), index(e.native_stack), index(e.thread),
          nanoseconds(e.time));
    return true;
  });
}

int read(const std::string& path) {
  const Capture capture(path);
  const Metadata& m = capture.metadata();
  fmt::print("{{\"finished\": {}, \"end_ns\": {}, \"command_line\": {}, \"ending\": {}, \"ending_code\": {}}}\n",
             !capture.damage(), nanoseconds(m.end), json_text(m.command_line), static_cast<int>(m.ending.kind),
             m.ending.code);
  print_definitions(capture);
  if (capture.state().aggregates) print_aggregates(*capture.state().aggregates);
  if (m.aggregated) return 0;
  capture.events(Columns::all, [](std::span<const Event> events) {
    for (const Event& event : events) print_event(event);
    return true;
  });
  print_objects(capture);
  return 0;
}

void write(const test::Bytes& bytes, const std::string& path) {
  std::ofstream(path, std::ios::binary).write(bytes.all.data(), static_cast<std::streamsize>(bytes.all.size()));
}

int aggregate(unsigned seed, std::size_t events, const std::string& path) {
  test::Stream stream;
  test::StreamMaker(stream, seed).make(events);
  test::Bytes bytes;
  AggregateEncoder encoder(stream.definitions);
  encoder.events(stream.events);
  encoder.write(test::final_metadata(), test::append_to(bytes));
  write(bytes, path);
  return 0;
}

int make(unsigned seed, std::size_t events, std::size_t block_bytes, bool compress, const std::string& path) {
  test::Stream stream;
  test::StreamMaker maker(stream, seed);
  maker.make(events);
  if (seed % 2 == 0) maker.make_objects(events / 10);
  for (std::uint64_t i = 0; i < 50; ++i)
    stream.samples.push_back({Time{static_cast<std::int64_t>(i) * 10'000'123},
                              ProcessId{static_cast<std::uint32_t>(i % 3)}, 4096 * (100 - i), i * i, i, 100 - i,
                              i << 40, i % 7, i % 2, i * 3});
  Definitions& d = stream.definitions;
  const std::vector<Location> inlined = {{d.add_string("inner"), d.add_string("a.cc"), 3},
                                         {d.add_string("outer"), {}, 9}};
  d.set_locations(FrameId{3}, inlined);
  write(test::encode(stream, {block_bytes, compress}), path);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv + 1, argv + argc);
  if (args.size() == 2 && args[0] == "read") return read(args[1]);
  if (args.size() == 6 && args[0] == "make")
    return make(static_cast<unsigned>(std::stoul(args[1])), std::stoul(args[2]), std::stoul(args[3]), args[4] == "1",
                args[5]);
  if (args.size() == 4 && args[0] == "aggregate")
    return aggregate(static_cast<unsigned>(std::stoul(args[1])), std::stoul(args[2]), args[3]);
  fmt::print(stderr,
             "usage: dump make SEED EVENTS BLOCK_BYTES COMPRESS PATH\n       dump aggregate SEED EVENTS PATH\n       "
             "dump read PATH\n");
  return 2;
}
