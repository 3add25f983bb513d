// Threads record through the real recorder into a session that a collector drains at the same time. The truth is what
// the threads know themselves: a small allocator hands out addresses under a lock, so the same address goes from thread
// to thread all the time, and every deallocation must find its allocation.
#include "collector/collector.h"
#include "recorder/thread.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <random>
#include <thread>

using namespace memray;

namespace {

// Keeps the events.
class Witness : public Sink {
 public:
  Input input() const override { return Input::events; }
  Status open(const SinkConfig&) override { return {}; }
  std::string destination() const override { return {}; }
  Status events(std::span<const Event> events, const Definitions& definitions) override {
    for (const Event& event : events) {
      ++count[event.kind];
      if (event.kind == Event::Kind::allocation) {
        allocated_bytes += event.size;
        const Site& site = definitions.site(event.site);
        depths[definitions.stack(site.stack).depth] += 1;
        frames_ok = frames_ok && stack_is(definitions, site.stack, event.size);
      }
    }
    return {};
  }
  Status finish(const Metadata& m, bool) override {
    metadata = m;
    return {};
  }

  // The unwinder below makes a stack whose innermost frame is at line (size % 7) + 1 and that is size % 5 + 1 deep.
  static bool stack_is(const Definitions& definitions, StackId stack, std::uint64_t size) {
    const auto frames = definitions.frames_of(stack);
    if (frames.size() != size % 5 + 1) return false;
    return definitions.string(definitions.frame(frames.front()).location.function) ==
           "function" + std::to_string(size % 7);
  }

  std::map<Event::Kind, std::uint64_t> count;
  std::map<std::uint32_t, std::uint64_t> depths;
  std::uint64_t allocated_bytes = 0;
  bool frames_ok = true;
  Metadata metadata;
};

// An unwinder whose stack the test chooses; it always reports the whole stack as new.
thread_local std::uint64_t words[8];
thread_local std::uint32_t depth = 0;

const memray_unwinder fake_unwinder = {sizeof(memray_unwinder),
                                       MEMRAY_STACK_PYTHON,
                                       nullptr,
                                       nullptr,
                                       nullptr,
                                       [] { return static_cast<void*>(words); },
                                       [](void*) {},
                                       [](void*) {},
                                       [](void*, void*, memray_stack_change* change) {
                                         *change = {0, depth, words};
                                       },
                                       nullptr};

void choose_stack(std::uint64_t size) {
  depth = static_cast<std::uint32_t>(size % 5 + 1);
  for (std::uint32_t i = 0; i + 1 < depth; ++i) words[i] = MEMRAY_PYTHON_FRAME(10, i);
  words[depth - 1] = MEMRAY_PYTHON_FRAME(size % 7, 0);
}

// One recording in this process.
class Recording {
 public:
  Recording() : session_(RecordRequest{}), collector_(session_, witness, {}) {
    using namespace recorder;
    session_.set_target(static_cast<std::uint32_t>(getpid()));
    session_.control().target_pid = static_cast<std::uint32_t>(getpid());
    process.session = session_.base();
    process.control = &session_.control();
    process.image_number = process.control->images.fetch_add(1);
    process.image = &process.control->image[process.image_number];
    process.image->pid = process.pid = static_cast<std::uint32_t>(getpid());
    process.start_stamp = process.control->start_stamp;
    process.use_tsc = process.control->clock == session::Clock::tsc;
    process.unwinders[MEMRAY_STACK_PYTHON] = &fake_unwinder;
    process.recording = &recording_;
    reset_definitions();  // what an earlier test left, as after a fork
    reset_threads_in_child();
    for (std::uint32_t number = 0; number <= 10; ++number) {
      const std::string name = "function" + std::to_string(number);
      // A line table far longer than a chunk, now and then.
      const std::vector<std::uint8_t> lines(number == 3 ? 100'000 : 10, std::uint8_t{0xff});
      memray_code code{number,
                       1,
                       MEMRAY_LINES_NONE,
                       static_cast<std::uint32_t>(lines.size()),
                       lines.data(),
                       name.c_str(),
                       static_cast<std::uint32_t>(name.size()),
                       4,
                       "file",
                       nullptr,
                       0};
      REQUIRE(define_code(&code));
    }
    start_recording();
  }
  ~Recording() {
    recorder::process.~Process();
    new (&recorder::process) recorder::Process;
  }

  void drop_on_overrun() { session_.control().drop_on_overrun = 1; }

  // Drains once, when everything has happened.
  void drain_at_end() {
    collector_.drain(true);
    collector_.finish({});
  }

  // Drains until `done`, then once more.
  void drain_while(const std::atomic<int>& running) {
    while (running.load() != 0) {
      collector_.drain(false);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    collector_.drain(true);
    collector_.finish({});
  }

  Witness witness;

 private:
  collector::Session session_;
  collector::Collector collector_;
  volatile std::uint32_t recording_ = 0;
};

// Hands out addresses from a small set, so that they are reused at once.
class Addresses {
 public:
  explicit Addresses(std::uintptr_t distance) : distance_(distance) {}
  std::uintptr_t take() {
    std::lock_guard guard(mutex_);
    if (free_.empty()) return next_ += distance_;
    const auto address = free_.back();
    free_.pop_back();
    return address;
  }
  void give(std::uintptr_t address) {
    std::lock_guard guard(mutex_);
    free_.push_back(address);
  }

 private:
  std::mutex mutex_;
  std::vector<std::uintptr_t> free_;
  const std::uintptr_t distance_;
  std::uintptr_t next_ = 0x1000;
};

// Blocks on their way from the thread that allocated them to the one that frees them.
class Exchange {
 public:
  void put(std::uintptr_t block) {
    std::lock_guard guard(mutex_);
    blocks_.push_back(block);
  }
  std::uintptr_t get() {
    std::lock_guard guard(mutex_);
    if (blocks_.empty()) return 0;
    const auto block = blocks_.front();
    blocks_.erase(blocks_.begin());
    return block;
  }

 private:
  std::mutex mutex_;
  std::vector<std::uintptr_t> blocks_;
};

}  // namespace

TEST_CASE("every deallocation finds its allocation, whichever threads made them") {
  Recording recording;
  const auto& recorder = recorder::recorder_interface();
  // Apart by so much they have owners of their own, are two to a place, and eight: see recorder/stamps.h.
  Addresses addresses(GENERATE(128u, 64u, 1u << 23));
  Exchange exchange;
  constexpr int kThreads = 6;
  constexpr int kRounds = 25'000;
  std::atomic<int> running{kThreads};
  std::atomic<std::uint64_t> allocations{0}, deallocations{0}, bytes{0};

  auto work = [&](unsigned seed) {
    std::mt19937 random(seed);
    std::vector<std::uintptr_t> own;
    std::uint64_t a = 0, d = 0, b = 0;
    auto free_block = [&](std::uintptr_t block) {
      recorder.deallocating(MEMRAY_FREE, block, nullptr);
      addresses.give(block);
      ++d;
    };
    for (int i = 0; i < kRounds; ++i) {
      const std::uint64_t size = random() % 1000;
      choose_stack(size);
      const auto block = addresses.take();
      recorder.allocated(MEMRAY_MALLOC, block, size, nullptr);
      ++a;
      b += size;
      switch (random() % 4) {
        case 0:
          free_block(block);
          break;
        case 1:
          exchange.put(block);
          break;
        case 2: {  // realloc that moves: the old address is free before it is reported
          const auto before = recorder.stamp(block);
          const auto moved = addresses.take();
          addresses.give(block);
          recorder.reallocated(MEMRAY_REALLOC, before, block, moved, size, nullptr);
          ++a, ++d;
          b += size;
          own.push_back(moved);
          break;
        }
        default:
          own.push_back(block);
      }
      if (const auto other = exchange.get()) free_block(other);
      if (own.size() > 20) {
        free_block(own.front());
        own.erase(own.begin());
      }
    }
    for (const auto block : own) free_block(block);
    allocations += a, deallocations += d, bytes += b;
    --running;
  };
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < kThreads; ++i) threads.emplace_back(work, i + 1);
  recording.drain_while(running);
  for (auto& thread : threads) thread.join();

  Witness& seen = recording.witness;
  CHECK(seen.count[Event::Kind::allocation] == allocations);
  CHECK(seen.count[Event::Kind::deallocation] == deallocations);
  CHECK(seen.count[Event::Kind::unknown_deallocation] == 0);
  CHECK(seen.allocated_bytes == bytes);
  CHECK(seen.frames_ok);
  CHECK(seen.metadata.dropped_events == 0);
}

TEST_CASE("threads that come and go are told apart, and their memory is reused") {
  Recording recording;
  const auto& recorder = recorder::recorder_interface();
  constexpr int kThreads = 1500;  // more than there are chunks for all at once
  std::atomic<int> running{1};
  std::thread driver([&] {
    for (int i = 0; i < kThreads; ++i) {
      std::thread([&, i] {
        choose_stack(0);
        recorder.allocated(MEMRAY_MALLOC, static_cast<std::uintptr_t>(0x10000 + i * 16), 0, nullptr);
      }).join();
    }
    --running;
  });
  recording.drain_while(running);
  driver.join();
  CHECK(recording.witness.count[Event::Kind::allocation] == kThreads);
  CHECK(recording.witness.metadata.dropped_events == 0);
}

TEST_CASE("a change of stack may be longer than a chunk") {
  Recording recording;
  const auto& recorder = recorder::recorder_interface();
  static std::vector<std::uint64_t> deep;
  deep.clear();
  for (std::uint32_t i = 0; i < 20'000; ++i) deep.push_back(MEMRAY_PYTHON_FRAME(i % 11, i));
  auto unwinder = fake_unwinder;
  unwinder.update = [](void*, void*, memray_stack_change* change) {
    *change = {0, static_cast<std::uint32_t>(deep.size()), deep.data()};
  };
  recorder::process.unwinders[MEMRAY_STACK_PYTHON] = &unwinder;
  std::atomic<int> running{1};
  std::thread thread([&] {
    recorder.allocated(MEMRAY_MALLOC, 0x1000, 1, nullptr);
    --running;
  });
  recording.drain_while(running);
  thread.join();
  CHECK(recording.witness.depths[20'000] == 1);
}

TEST_CASE("the chunks of a whole pool are waited for, and nothing is lost") {
  Recording recording;
  const auto& recorder = recorder::recorder_interface();
  constexpr std::uint64_t kEvents = 3'000'000;  // 72 MB: several pools
  std::atomic<int> running{1};
  std::thread thread([&] {
    choose_stack(0);
    for (std::uint64_t i = 0; i < kEvents; ++i) {
      recorder.allocated(MEMRAY_MALLOC, 0x1000 + i % 1000 * 16, 5, nullptr);
      recorder.deallocating(MEMRAY_FREE, 0x1000 + i % 1000 * 16, nullptr);
    }
    --running;
  });
  recording.drain_while(running);
  thread.join();
  CHECK(recording.witness.count[Event::Kind::allocation] == kEvents);
  CHECK(recording.witness.count[Event::Kind::deallocation] == kEvents);
}

TEST_CASE("an event that finds no chunk is dropped and counted, where that is wanted") {
  Recording recording;
  recording.drop_on_overrun();
  const auto& recorder = recorder::recorder_interface();
  constexpr std::uint64_t kEvents = 2'000'000;  // of 24 bytes and more, for a pool of 14 MB
  std::thread([&] {
    for (std::uint64_t i = 0; i < kEvents; ++i) {
      choose_stack(i % 35);
      recorder.allocated(MEMRAY_MALLOC, 0x1000 + i * 16, i % 35, nullptr);
    }
  }).join();
  recording.drain_at_end();
  Witness& seen = recording.witness;
  CHECK(seen.count[Event::Kind::allocation] > 0);
  CHECK(seen.metadata.dropped_events > 0);
  CHECK(seen.count[Event::Kind::allocation] + seen.metadata.dropped_events == kEvents);
  CHECK(seen.frames_ok);
}
