// What an event costs on its way through a capture: collecting and its parts, and the queries that everything else is
// made of. Figures are CPU time of this process in nanoseconds an event; a wall clock would measure the neighbours.
//
//   ninja -C build/release capture-speed
//   build/release/bin/capture-speed [--events MILLIONS] [--runs N] [TRACE]
//   build/release/bin/capture-speed [--events MILLIONS] --keep FILE [TRACE]     only makes a capture of that size
//   build/release/bin/capture-speed [--events MILLIONS] --collect THREADS [TRACE]     only collects
//
// TRACE is a capture of a real program. It is replayed, at new addresses each time and with everything freed at the end
// of a round, until there are as many events as asked for. Without TRACE a synthetic program is made up.
#include <fmt/format.h>
#include <memray/query.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "capture/encoder.h"
#include "collecting.h"
#include "trace.h"

namespace memray {
namespace {

constexpr std::size_t kBatch = 256;

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

struct Written {
  std::uint64_t events = 0;
  std::uint64_t bytes = 0;
  double match = 0, encode = 0;  // seconds
};

Written write(const std::string& trace_path, std::uint64_t wanted, const std::string& path) {
  Trace trace = trace_path.empty() ? synthetic_trace(std::min<std::size_t>(wanted, 4'000'000)) : trace_of(trace_path);
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
  unsigned only_threads = 0;
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
    } else if (argument == "--collect") {
      only_threads = static_cast<unsigned>(std::atoi(value)), ++i;
    } else {
      trace = argument;
    }
  }
  const auto wanted = static_cast<std::uint64_t>(millions * 1e6);
  if (!keep.empty()) {
    write(trace, wanted, keep);
    return 0;
  }
  const auto print_ns = [](const std::string& what, double ns) { fmt::print("{:<12}{:8.2f} ns/event\n", what, ns); };
  const auto collect_with = [&](unsigned threads) {
    print_ns(fmt::format("collect x{}", threads), collect(trace, wanted, threads).ns_per_event);
  };
  if (only_threads != 0) {
    collect_with(only_threads);
    return 0;
  }
  const std::string path = fmt::format("/tmp/capture-speed-{}.mem", ::getpid());
  std::vector<double> match, encode;
  Written written;
  for (int i = 0; i < runs; ++i) {
    written = write(trace, wanted, path);
    match.push_back(written.match / static_cast<double>(written.events) * 1e9);
    encode.push_back(written.encode / static_cast<double>(written.events) * 1e9);
  }
  const auto events = static_cast<double>(written.events);
  fmt::print("{:.1f} M events, {:.3f} bytes/event, medians of {}\n", events * 1e-6,
             static_cast<double>(written.bytes) / events, runs);
  print_ns("match", median(match));
  print_ns("encode", median(encode));
  for (const unsigned threads : {1u, 4u}) collect_with(threads);
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
  std::remove(path.c_str());
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
