// Random but valid streams of events, with definitions to match, and captures made of them.
#pragma once

#include <memray/capture.h>
#include <memray/objects.h>

#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "capture/encoder.h"

namespace memray::test {

class TemporaryFile {
 public:
  explicit TemporaryFile(std::string_view bytes = "") {
    char name[] = "/tmp/memray-capture-XXXXXX";
    ::close(::mkstemp(name));
    path_ = name;
    if (!bytes.empty()) write(bytes);
  }
  ~TemporaryFile() { std::filesystem::remove(path_); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const std::string& path() const { return path_; }
  void write(std::string_view bytes) const {
    std::ofstream(path_, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }

 private:
  std::string path_;
};

// What is expected of a reader, from plain containers.
struct Stream {
  Definitions definitions;
  std::vector<Event> events;
  std::vector<MemorySample> samples;
  std::vector<ObjectEvent> objects;
};

inline Time floor_to_mark(Time time) { return Time{nanoseconds(time) / 100'000 * 100'000}; }

// Makes events one by one and keeps the truth about what is live.
class StreamMaker {
 public:
  StreamMaker(Stream& stream, unsigned seed) : stream_(stream), random_(seed) { define(); }

  void make(std::size_t count) {
    while (count-- > 0) step();
  }

  // Objects that come and, two of three, go.
  void make_objects(std::size_t count) {
    Definitions& d = stream_.definitions;
    std::vector<ObjectEvent> live;
    for (std::uint64_t number = 0; count-- > 0;) {
      now_ += below(200'000);
      ObjectEvent event;
      const bool destroy = !live.empty() && below(5) < 2;
      if (destroy) {
        const std::size_t which = below(live.size());
        event = live[which];
        live[which] = live.back();
        live.pop_back();
      } else {
        event.number = number++;
        event.address = random_();
        event.type = d.add_string("type" + std::to_string(below(9)));
        event.stack = StackId{static_cast<std::uint32_t>(below(d.stacks()))};
        event.native_stack = StackId{static_cast<std::uint32_t>(below(d.stacks()))};
      }
      event.created = !destroy;
      event.thread = ThreadId{static_cast<std::uint32_t>(below(d.threads()))};
      event.time = floor_to_mark(Time{static_cast<std::int64_t>(now_)});
      if (event.created) live.push_back(event);
      stream_.objects.push_back(event);
    }
  }

 private:
  struct Live {
    SiteId site{};
    std::uint64_t address = 0;
    std::uint64_t size = 0;
    std::uint32_t pieces = 1;
  };

  std::uint64_t below(std::uint64_t n) { return random_() % n; }

  void define() {
    Definitions& d = stream_.definitions;
    for (int p = 0; p < 3; ++p) {
      Process process;
      process.pid = 100 + static_cast<std::uint32_t>(p);
      process.parent_pid = 99;
      process.command_line = d.add_string("program " + std::to_string(p));
      process.start = Time{p * 1'000'000'007LL};
      d.add_process(process);
      for (std::uint32_t t = 1; t <= 3; ++t)
        d.add_thread({ProcessId{static_cast<std::uint32_t>(p)}, t, 1000 + t, d.add_string("worker")});
    }
    const ModuleId module =
        d.add_module({ProcessId{1}, d.add_string("/lib/libc.so.6"), d.add_string("c0ffee"), 4096, 99999, 512});
    for (std::uint32_t i = 0; i < 40; ++i) {
      Frame frame;
      if (i % 3 == 0) {
        frame.kind = FrameKind::native;
        frame.module = i % 2 == 0 ? module : kNoModule;
        frame.address = random_();
      } else {
        frame.entry = i % 5 == 0;
        frame.location = {d.add_string("f" + std::to_string(i)), d.add_string("caf\xc3\xa9.py"), i * 7};
      }
      d.add_frame(frame);
    }
    for (int i = 0; i < 200; ++i)
      d.add_stack(StackId{static_cast<std::uint32_t>(below(d.stacks()))},
                  FrameId{static_cast<std::uint32_t>(below(40))});
  }

  SiteId random_site(bool mapping) {
    Definitions& d = stream_.definitions;
    Site site;
    site.stack = StackId{static_cast<std::uint32_t>(below(d.stacks()))};
    site.native_stack = below(3) == 0 ? StackId{static_cast<std::uint32_t>(below(d.stacks()))} : kNoStack;
    site.thread = ThreadId{static_cast<std::uint32_t>(below(d.threads()))};
    site.allocator = mapping ? Allocator::mmap : below(2) == 0 ? Allocator::malloc : Allocator::pymalloc_calloc;
    site.fixed_size = below(4) != 0;
    if (site.fixed_size) site.size = mapping ? 4096 * (1 + below(100)) : below(64) * 8;
    return d.add_site(site);
  }

  Event& add(Event::Kind kind) {
    now_ += below(4) == 0 ? below(300'000) : 0;
    Event& event = stream_.events.emplace_back();
    event.kind = kind;
    event.time = Time{static_cast<std::int64_t>(now_)};
    event.thread = ThreadId{static_cast<std::uint32_t>(below(stream_.definitions.threads()))};
    return event;
  }

  void step() {
    const std::uint64_t choice = below(1000);
    if (choice < 550 || live_.empty()) return allocate();
    if (choice < 950) return deallocate();
    if (choice < 985) return deallocate_part();
    if (choice < 998) return deallocate_unknown();
    end_process(choice == 999);
  }

  void allocate() {
    const SiteId id = stream_.definitions.sites() > 500
                          ? SiteId{static_cast<std::uint32_t>(below(stream_.definitions.sites()))}
                          : random_site(below(5) == 0);
    const Site site = stream_.definitions.site(id);
    Event& event = add(Event::Kind::allocation);
    if (below(50) != 0) event.thread = site.thread;
    event.allocator = site.allocator;
    event.site = id;
    event.number = next_++;
    event.address = random_() >> below(60);
    // In few pools, so that each has hundreds of freed blocks.
    if (site.allocator == Allocator::pymalloc_calloc && below(8) != 0)
      event.address = 0x7f00'0000'0000 + 16 * below(2 * 1024);
    event.size = site.fixed_size ? site.size : random_() >> (24 + below(40));
    live_[event.number] = {id, event.address, event.size, 1};
  }

  // Mostly a young one.
  std::map<std::uint64_t, Live>::iterator victim() {
    auto at = std::prev(live_.end());
    for (std::uint64_t back = below(3) == 0 ? below(50) : below(3); back > 0 && at != live_.begin(); --back) --at;
    return below(20) == 0 ? live_.begin() : at;
  }

  void fill(Event& event, std::uint64_t number, const Live& live) {
    event.allocator = deallocator_of(stream_.definitions.site(live.site).allocator);
    event.site = live.site;
    event.number = number;
  }

  void deallocate() {
    const auto at = victim();
    Event& event = add(Event::Kind::deallocation);
    fill(event, at->first, at->second);
    event.address = at->second.address;
    event.size = at->second.size;
    live_.erase(at);
  }

  void deallocate_part() {
    const auto at = victim();
    if (at->second.size < 2) return;
    Event& event = add(Event::Kind::partial_deallocation);
    fill(event, at->first, at->second);
    event.size = 1 + below(at->second.size - 1);
    event.address = at->second.address + 17;
    event.pieces = static_cast<std::uint32_t>(1 + below(9));
    at->second.size -= event.size;
  }

  void deallocate_unknown() {
    Event& event = add(Event::Kind::unknown_deallocation);
    event.allocator = below(2) == 0 ? Allocator::free : Allocator::munmap;
    event.address = random_();
    event.size = event.allocator == Allocator::munmap ? below(1 << 20) : 0;
  }

  void end_process(bool exec) {
    const auto process = static_cast<std::uint32_t>(below(3));
    Event& event = add(exec ? Event::Kind::process_exec : Event::Kind::process_exit);
    event.index = process;
    std::erase_if(live_, [&](const auto& pair) {
      const ThreadId thread = stream_.definitions.site(pair.second.site).thread;
      const bool gone = index(stream_.definitions.thread(thread).process) == process;
      if (gone) event.size += pair.second.size;
      return gone;
    });
  }

  Stream& stream_;
  std::mt19937_64 random_;
  std::map<std::uint64_t, Live> live_;
  std::uint64_t next_ = 0;
  std::uint64_t now_ = 0;
};

inline Metadata some_metadata() {
  Metadata m;
  m.memray_version = "9.8.7";
  m.start_time_ns = 1'700'000'000'123'456'789;
  m.pid = 4711;
  m.command_line = "python3 -c 'print(1)'";
  m.hooks = "plt";
  m.unwinders = "python";
  m.python_version = "3.12.1";
  m.native_traces = true;
  m.main_thread = ThreadId{1};
  m.extra = {{"colour", "green"}};
  return m;
}

inline Metadata final_metadata() {
  Metadata m = some_metadata();
  m.end = Time{123'456'789'012};
  m.ending = {Ending::Kind::signalled, 9, true};
  m.dropped_events = ~std::uint64_t{0};
  return m;
}

// The bytes of a capture, and where each block that the encoder emitted begins.
struct Bytes {
  std::string all;
  std::vector<std::pair<BlockKind, std::size_t>> blocks;
};

inline std::function<void(const Block&)> append_to(Bytes& bytes) {
  return [&bytes](const Block& block) {
    bytes.blocks.emplace_back(block.kind, bytes.all.size());
    bytes.all.append(reinterpret_cast<const char*>(block.bytes.data()), block.bytes.size());
  };
}

inline Bytes encode(const Stream& stream, EncoderOptions options = {}) {
  Bytes bytes;
  Encoder encoder(stream.definitions, some_metadata(), options, append_to(bytes));
  std::size_t sample = 0;
  for (std::size_t i = 0; i < stream.events.size(); ++i) {
    encoder.events({&stream.events[i], 1});
    if (i % 100 == 0 && sample < stream.samples.size()) encoder.sample(stream.samples[sample++]);
  }
  for (const ObjectEvent& object : stream.objects) encoder.objects({&object, 1});
  encoder.finish(final_metadata());
  return bytes;
}

inline std::vector<Event> all_events(const Capture& capture, Columns columns = Columns::all) {
  std::vector<Event> events;
  capture.events(columns, [&](std::span<const Event> batch) {
    events.insert(events.end(), batch.begin(), batch.end());
    return true;
  });
  return events;
}

}  // namespace memray::test
