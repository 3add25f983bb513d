// What an event costs on its way through a capture: matching, encoding, and the three queries that everything else is
// made of. Figures are CPU time of this process in nanoseconds an event; a wall clock would measure the neighbours.
//
//   ninja -C build/release capture-speed
//   build/release/bin/capture-speed [--events MILLIONS] [--runs N] [--keep FILE] [TRACE]
//
// TRACE is a capture of a real program. It is replayed, at new addresses each time and with everything freed at the end
// of a round, until there are as many events as asked for. Without TRACE a synthetic program is made up: places
// and sizes as uneven as in life, a free-list allocator, most blocks dead soon, some never.
#include <fmt/format.h>
#include <memray/query.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "capture/encoder.h"
#include "capture/matcher.h"

namespace memray {
namespace {

constexpr std::size_t kBatch = 4096;

double cpu_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

struct RawEvent : RawAllocation {
  enum class Kind : std::uint8_t { allocation, deallocation, mapping, unmapping };
  Kind kind = Kind::allocation;
};

void match(Matcher& matcher, const RawEvent& e) {
  const RawDeallocation gone{e.process, e.thread, e.allocator, e.address, e.size, e.stamp, e.time};
  switch (e.kind) {
    case RawEvent::Kind::allocation:
      return matcher.allocate(e);
    case RawEvent::Kind::deallocation:
      return matcher.deallocate(gone);
    case RawEvent::Kind::mapping:
      return matcher.map(e);
    case RawEvent::Kind::unmapping:
      return matcher.unmap(gone);
  }
}

// One round of a program: what its recorder would see.
struct Trace {
  Definitions definitions;
  std::vector<RawEvent> events;
};

void free_the_rest(std::vector<RawEvent>& events) {
  std::unordered_map<std::uint64_t, std::size_t> live;
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (events[i].kind == RawEvent::Kind::allocation) live[events[i].address] = i;
    if (events[i].kind == RawEvent::Kind::deallocation) live.erase(events[i].address);
  }
  std::vector<std::size_t> rest;
  for (const auto& [address, number] : live) rest.push_back(number);
  std::ranges::sort(rest);
  const Time end = events.empty() ? Time{} : events.back().time;
  for (const std::size_t i : rest) {
    RawEvent event = events[i];
    event.kind = RawEvent::Kind::deallocation;
    event.allocator = deallocator_of(event.allocator);
    event.size = 0;
    event.time = end;
    events.push_back(event);
  }
}

// Definitions cannot be copied, but numbers can be made again in the same order.
void copy_definitions(const Definitions& from, Definitions& to) {
  for (std::uint32_t i = 0; i < from.processes(); ++i) to.add_process(from.process(ProcessId{i}));
  for (std::uint32_t i = 0; i < from.threads(); ++i) to.add_thread(from.thread(ThreadId{i}));
  for (std::uint32_t i = 0; i < from.strings(); ++i) to.add_string(from.string(StringId{i}));
  for (std::uint32_t i = 0; i < from.frames(); ++i) to.add_frame(from.frame(FrameId{i}));
  for (std::uint32_t i = 1; i < from.stacks(); ++i) {
    const Stack& stack = from.stack(StackId{i});
    to.add_stack(stack.parent, stack.frame);
  }
}

Trace trace_of(const std::string& path) {
  const Capture capture(path);
  Trace trace;
  copy_definitions(capture.definitions(), trace.definitions);
  capture.events(Columns::all, [&](std::span<const Event> events) {
    for (const Event& event : events) {
      RawEvent raw;
      raw.thread = event.thread;
      raw.process = capture.definitions().thread(event.thread).process;
      raw.allocator = event.allocator;
      raw.address = event.address;
      raw.size = event.size;
      raw.time = event.time;
      if (event.kind == Event::Kind::allocation) {
        const Site& site = capture.definitions().site(event.site);
        raw.kind = site.allocator == Allocator::mmap ? RawEvent::Kind::mapping : RawEvent::Kind::allocation;
        raw.stack = site.stack;
        raw.native_stack = site.native_stack;
      } else if (event.kind == Event::Kind::deallocation && event.allocator != Allocator::munmap) {
        raw.kind = RawEvent::Kind::deallocation;
      } else if (event.kind != Event::Kind::unknown_deallocation && event.allocator == Allocator::munmap) {
        raw.kind = RawEvent::Kind::unmapping;
      } else {
        continue;
      }
      trace.events.push_back(raw);
    }
    return true;
  });
  free_the_rest(trace.events);
  return trace;
}

Trace synthetic_trace(std::size_t count) {
  Trace trace;
  Definitions& d = trace.definitions;
  const ProcessId process = d.add_process({});
  const ThreadId thread = d.add_thread({process, 1, 1, kNoString});
  std::mt19937_64 random(1);
  const auto uniform = [&] { return static_cast<double>(random() >> 11) * 0x1p-53; };
  std::vector<StackId> stacks = {kNoStack};
  for (std::uint32_t i = 0; i < 20'000; ++i) {
    Frame frame;
    frame.location = {d.add_string(fmt::format("function_{}", i % 3000)), d.add_string(fmt::format("{}.py", i % 97)),
                      i};
    stacks.push_back(d.add_stack(stacks[random() % stacks.size()], d.add_frame(frame)));
  }
  std::vector<std::vector<std::uint64_t>> freed(64);
  std::uint64_t fresh = 0x5555'0000'0000;
  struct Block {
    std::uint64_t address, size;
  };
  std::vector<Block> live;
  std::size_t place = 0;
  while (trace.events.size() < count) {
    RawEvent event;
    event.process = process;
    event.thread = thread;
    event.time = Time{static_cast<std::int64_t>(trace.events.size()) * 50};
    if (live.empty() || random() % 1000 < 505) {
      // A program stays around one place for a while; few places do most.
      if (random() % 4 == 0) place = static_cast<std::size_t>(std::pow(uniform(), 4) * 20'000);
      event.allocator = Allocator::malloc;
      event.stack = stacks[std::min<std::size_t>(place + random() % 4, 20'000)];
      event.size = 16 * (1 + (index(event.stack) * 7 + (random() % 8 == 0 ? random() % 4 : 0)) % 60);
      std::vector<std::uint64_t>& list = freed[event.size / 16];
      event.address = list.empty() ? fresh : list.back();
      if (list.empty())
        fresh += event.size + 16;
      else
        list.pop_back();
      live.push_back({event.address, event.size});
    } else {
      event.kind = RawEvent::Kind::deallocation;
      event.allocator = Allocator::free;
      const double age = std::pow(uniform(), 8) * static_cast<double>(live.size());
      const std::size_t victim = live.size() - 1 - static_cast<std::size_t>(age);
      event.address = live[victim].address;
      freed[live[victim].size / 16].push_back(event.address);
      live.erase(live.begin() + static_cast<std::ptrdiff_t>(victim));
    }
    trace.events.push_back(event);
  }
  free_the_rest(trace.events);
  return trace;
}

struct Written {
  std::uint64_t events = 0;
  std::uint64_t bytes = 0;
  double match = 0, encode = 0;  // seconds
};

Written write(const std::string& trace_path, std::uint64_t wanted, const std::string& path) {
  Trace trace = trace_path.empty() ? synthetic_trace(4'000'000) : trace_of(trace_path);
  std::ofstream file(path, std::ios::binary);
  Matcher matcher(trace.definitions);
  Metadata metadata;
  metadata.command_line = trace_path;
  double emitting = 0;  // writing the file is the disk's cost
  Encoder encoder(trace.definitions, metadata, {}, [&](const Block& block) {
    const double start = cpu_seconds();
    file.write(reinterpret_cast<const char*>(block.bytes.data()), static_cast<std::streamsize>(block.bytes.size()));
    emitting += cpu_seconds() - start;
  });
  Written result;
  std::vector<RawEvent> batch;
  std::uint64_t stamp = 0;
  for (std::uint64_t round = 0; result.events < wanted; ++round) {
    const std::uint64_t shift = round % 64 << 32;
    const Time end = trace.events.back().time;
    for (std::size_t i = 0; i < trace.events.size(); i += batch.size()) {
      const std::size_t count = std::min(kBatch, trace.events.size() - i);
      batch.assign(trace.events.begin() + static_cast<std::ptrdiff_t>(i),
                   trace.events.begin() + static_cast<std::ptrdiff_t>(i + count));
      for (RawEvent& event : batch) {
        event.address += shift;
        event.stamp = ++stamp;
        event.time = Time{nanoseconds(event.time) + nanoseconds(end) * static_cast<std::int64_t>(round)};
      }
      const double start = cpu_seconds();
      for (const RawEvent& event : batch) match(matcher, event);
      const double matched = cpu_seconds();
      encoder.events(matcher.events());
      result.encode += cpu_seconds() - matched;
      result.match += matched - start;
      result.events += matcher.events().size();
      matcher.clear();
    }
  }
  const double start = cpu_seconds();
  encoder.finish(metadata);
  result.encode += cpu_seconds() - start - emitting;
  result.bytes = encoder.bytes_written();
  return result;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

template <typename F>
void measure(const char* what, int runs, double events, F&& once) {
  std::vector<double> seconds;
  for (int i = 0; i < runs; ++i) {
    const double start = cpu_seconds();
    once();
    seconds.push_back(cpu_seconds() - start);
  }
  const double typical = median(seconds);
  fmt::print("{:<12}{:8.2f} ns/event{:10.1f} M events/s\n", what, typical / events * 1e9, events / typical * 1e-6);
}

int run(int argc, char** argv) {
  double millions = 20;
  int runs = 5;
  std::string trace, keep;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const char* const value = i + 1 < argc ? argv[i + 1] : "";
    if (argument == "--events") {
      millions = std::atof(value), ++i;
    } else if (argument == "--runs") {
      runs = std::max(1, std::atoi(value)), ++i;
    } else if (argument == "--keep") {
      keep = value, ++i;
    } else {
      trace = argument;
    }
  }
  const std::string path = keep.empty() ? fmt::format("/tmp/capture-speed-{}.mem", ::getpid()) : keep;
  std::vector<double> match, encode;
  Written written;
  for (int i = 0; i < runs; ++i) {
    written = write(trace, static_cast<std::uint64_t>(millions * 1e6), path);
    match.push_back(written.match / static_cast<double>(written.events) * 1e9);
    encode.push_back(written.encode / static_cast<double>(written.events) * 1e9);
  }
  const auto events = static_cast<double>(written.events);
  fmt::print("{:.1f} M events, {:.3f} bytes/event, medians of {}\n", events * 1e-6,
             static_cast<double>(written.bytes) / events, runs);
  fmt::print("{:<12}{:8.2f} ns/event\n{:<12}{:8.2f} ns/event\n", "match", median(match), "encode", median(encode));
  const Capture capture(path);
  measure("open", runs, events, [&] { Capture again(path); });
  measure("peak", runs, events, [&] { peak(capture); });
  measure("leaks", runs, events, [&] { leaks(capture); });
  measure("statistics", runs, events, [&] { statistics(capture); });
  measure("events", runs, events, [&] {
    std::uint64_t bytes = 0;
    capture.events(Columns::none, [&](std::span<const Event> batch) {
      for (const Event& event : batch) bytes += event.size;
      return true;
    });
    if (bytes == 1) fmt::print("\n");  // keeps the sum
  });
  if (keep.empty()) std::remove(path.c_str());
  return 0;
}

}  // namespace
}  // namespace memray

int main(int argc, char** argv) {
  try {
    return memray::run(argc, argv);
  } catch (const std::exception& e) {
    fmt::print(stderr, "capture-speed: {}\n", e.what());
    return 1;
  }
}
