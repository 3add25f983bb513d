#include "trace.h"

#include <fmt/format.h>
#include <memray/capture.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <unordered_map>

namespace memray {
namespace {

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

}  // namespace

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

}  // namespace memray
