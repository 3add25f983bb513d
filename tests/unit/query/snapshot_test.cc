#include <memray/query.h>

#include <catch2/catch.hpp>

#include "recording.h"

namespace memray::test {
namespace {

std::uint64_t bytes_of(const Snapshot& snapshot, StackId stack) {
  std::uint64_t bytes = 0;
  for (const Group& group : snapshot.groups)
    if (group.stack == stack) bytes += group.bytes;
  return bytes;
}

}  // namespace

TEST_CASE("a recording of nothing has an empty peak and no leaks") {
  Recording recording;
  const Capture capture = recording.finish();
  REQUIRE(peak(capture).groups.empty());
  REQUIRE(peak(capture).bytes == 0);
  REQUIRE(leaks(capture).groups.empty());
}

TEST_CASE("of equal peaks the latest counts") {
  Recording recording;
  const StackId first = recording.stack({{"first", "/a.py"}});
  const StackId second = recording.stack({{"second", "/a.py"}});
  recording.allocate(0x10, 1000, first);
  recording.release(0x10);
  recording.allocate(0x20, 1000, second);
  recording.release(0x20);
  const Capture capture = recording.finish();
  const Snapshot at_peak = peak(capture);
  REQUIRE(at_peak.bytes == 1000);
  REQUIRE(bytes_of(at_peak, first) == 0);
  REQUIRE(bytes_of(at_peak, second) == 1000);
  REQUIRE(at_peak.time == Time{3'000'000});
}

TEST_CASE("a rise that lasts until the end is the peak") {
  Recording recording;
  const StackId early = recording.stack({{"early", "/a.py"}});
  const StackId late = recording.stack({{"late", "/a.py"}});
  recording.allocate(0x10, 500, early);
  recording.release(0x10);
  recording.allocate(0x20, 400, late);
  recording.allocate(0x30, 10'000'000, late);
  const Capture capture = recording.finish();
  REQUIRE(peak(capture).bytes == 10'000'400);
  REQUIRE(bytes_of(peak(capture), late) == 10'000'400);
  REQUIRE(leaks(capture).bytes == 10'000'400);
}

TEST_CASE("a site that did not change since the peak is reported as it was then") {
  Recording recording;
  const StackId still = recording.stack({{"still", "/a.py"}});
  const StackId busy = recording.stack({{"busy", "/a.py"}});
  recording.allocate(0x10, 100, still);
  recording.allocate(0x20, 900, busy);
  recording.release(0x20);
  for (int i = 0; i < 5; ++i) {
    recording.allocate(0x30, 800, busy);
    recording.release(0x30);
  }
  const Capture capture = recording.finish();
  REQUIRE(bytes_of(peak(capture), still) == 100);
  REQUIRE(bytes_of(peak(capture), busy) == 900);
}

TEST_CASE("allocations of size zero are counted") {
  Recording recording;
  const StackId at = recording.stack({{"zero", "/a.py"}});
  recording.allocate(0x10, 0, at);
  recording.allocate(0x20, 0, at);
  recording.release(0x10);
  const Capture capture = recording.finish();
  REQUIRE(peak(capture).count == 1);  // the sum is at its record, 0, all the time: the latest moment counts
  REQUIRE(peak(capture).groups.size() == 1);
}

TEST_CASE("what an exiting process held is gone at later peaks, and leaked") {
  Recording recording;
  const StackId at = recording.stack({{"f", "/a.py"}});
  recording.allocate(0x10, 600, at);
  const ProcessId child = recording.definitions.add_process({43, 42, kNoString, recording.now()});
  const ThreadId main = std::exchange(recording.thread, recording.definitions.add_thread({child, 1, 43, kNoString}));
  const ProcessId parent = std::exchange(recording.process, child);
  recording.allocate(0x10, 300, at);  // the same address in another process
  recording.matcher.process_ended(child, false, recording.now());
  recording.process = parent;
  recording.thread = main;
  recording.allocate(0x20, 310, at);
  const Capture capture = recording.finish();
  REQUIRE(peak(capture).bytes == 910);
  REQUIRE(peak(capture).count == 2);
  REQUIRE(leaks(capture).bytes == 1210);
  REQUIRE(leaks(capture, {false}).groups.size() == 2);
}

TEST_CASE("an exec leaves nothing of the old image") {
  Recording recording;
  const StackId at = recording.stack({{"f", "/a.py"}});
  recording.allocate(0x10, 600, at);
  recording.matcher.process_ended(recording.process, true, recording.now());
  recording.process = recording.definitions.add_process({42, 1, kNoString, recording.now()});
  recording.thread = recording.definitions.add_thread({recording.process, 1, 42, kNoString});
  recording.allocate(0x10, 50, at);
  const Capture capture = recording.finish();
  REQUIRE(peak(capture).bytes == 600);
  REQUIRE(leaks(capture).bytes == 50);
}

TEST_CASE("a mapping in pieces counts once for each") {
  Recording recording;
  const StackId at = recording.stack({{"f", "/a.py"}});
  recording.map(0x10000, 0x5000, at);
  recording.unmap(0x11000, 0x1000);
  recording.unmap(0x13000, 0x1000);
  const Capture holes = recording.finish();
  REQUIRE(leaks(holes).count == 3);
  REQUIRE(leaks(holes).bytes == 0x3000);
  REQUIRE(peak(holes).count == 1);

  recording.unmap(0x10000, 0x3000);
  const Capture one_left = recording.finish();
  REQUIRE(leaks(one_left).count == 1);
  REQUIRE(leaks(one_left).bytes == 0x1000);

  recording.unmap(0x10000, 0x5000);
  REQUIRE(leaks(recording.finish()).groups.empty());
}

TEST_CASE("groups keep allocators apart and threads only when asked") {
  Recording recording;
  const StackId at = recording.stack({{"f", "/a.py"}});
  recording.allocate(0x10, 1, at);
  recording.allocate(0x20, 2, at, Allocator::calloc);
  recording.thread = recording.definitions.add_thread({recording.process, 2, 44, kNoString});
  recording.allocate(0x30, 4, at);
  const Capture capture = recording.finish();

  const Snapshot merged = peak(capture);
  REQUIRE(merged.groups.size() == 2);
  REQUIRE(merged.groups[0].thread == kMergedThreads);
  REQUIRE(merged.groups[0].bytes == 5);
  REQUIRE(merged.groups[1].allocator == Allocator::calloc);

  const Snapshot split = peak(capture, {false});
  REQUIRE(split.groups.size() == 3);
  REQUIRE(split.groups[2].thread == recording.thread);
  REQUIRE(split.groups[2].bytes == 4);
}

}  // namespace memray::test
