#include <memray/query.h>

#include <algorithm>
#include <catch2/catch.hpp>

#include "recording.h"

namespace memray::test {
namespace {

struct Sums {
  std::uint64_t before, after;
  friend bool operator==(const Sums&, const Sums&) = default;
};

std::vector<std::pair<std::uint32_t, Sums>> rows_of(const Diff& diff) {
  std::vector<std::pair<std::uint32_t, Sums>> rows;
  for (const DiffRow& row : diff.rows)
    rows.push_back({row.stack.empty() ? 0 : row.stack.front().line, {row.bytes_before, row.bytes_after}});
  return rows;
}

// The rows refer to the captures.
struct Comparison {
  Comparison(Recording& before, Recording& after) : a(before.finish()), b(after.finish()) {}
  const Capture a, b;
  const Diff diff = memray::diff(a, leaks(a), b, leaks(b));
};

using Rows = std::vector<std::pair<std::uint32_t, Sums>>;

}  // namespace

TEST_CASE("stacks are the same although their lines moved") {
  Recording before, after;
  before.allocate(0x10, 100, before.stack({{"main", "/a.py", 10}, {"f", "/a.py", 3}}));
  before.allocate(0x20, 50, before.stack({{"main", "/a.py", 20}, {"f", "/a.py", 3}}));
  after.allocate(0x10, 130, after.stack({{"main", "/a.py", 11}, {"f", "/a.py", 4}}));
  after.allocate(0x20, 40, after.stack({{"main", "/a.py", 21}, {"f", "/a.py", 4}}));
  const Comparison compared(before, after);
  const Diff& diff = compared.diff;
  REQUIRE(rows_of(diff) == Rows{{4, {100, 130}}, {4, {50, 40}}});
  REQUIRE(diff.bytes_before == 150);
  REQUIRE(diff.bytes_after == 170);
}

TEST_CASE("equal lines belong together before others do") {
  Recording before, after;
  before.allocate(0x10, 100, before.stack({{"f", "/a.py", 5}}));
  before.allocate(0x20, 7, before.stack({{"f", "/a.py", 9}}));
  after.allocate(0x10, 1, after.stack({{"f", "/a.py", 2}}));
  after.allocate(0x20, 100, after.stack({{"f", "/a.py", 5}}));
  REQUIRE(rows_of(Comparison(before, after).diff) == Rows{{5, {100, 100}}, {2, {7, 1}}});
}

TEST_CASE("what cannot be told apart is compared as one") {
  Recording before, after;
  before.allocate(0x10, 100, before.stack({{"f", "/a.py", 5}}));
  before.allocate(0x20, 10, before.stack({{"f", "/a.py", 9}}));
  after.allocate(0x10, 60, after.stack({{"f", "/a.py", 6}}));
  REQUIRE(rows_of(Comparison(before, after).diff) == Rows{{6, {110, 60}}});
}

TEST_CASE("new, gone and without a stack") {
  Recording before, after;
  before.allocate(0x10, 100, before.stack({{"f", "/a.py", 5}}));
  before.allocate(0x20, 5, kNoStack);
  after.allocate(0x10, 70, after.stack({{"g", "/a.py", 5}}));
  after.allocate(0x20, 6, kNoStack);
  after.allocate(0x30, 6, kNoStack, Allocator::calloc);
  const Comparison compared(before, after);
  const Diff& diff = compared.diff;
  REQUIRE(rows_of(diff) == Rows{{5, {0, 70}}, {0, {5, 12}}, {5, {100, 0}}});
  REQUIRE(diff.rows[0].stack.front().function == "g");
  REQUIRE(diff.rows[2].stack.front().function == "f");
  REQUIRE(diff.rows[1].count_after == 2);
}

TEST_CASE("a snapshot by properties") {
  Recording recording;
  recording.allocate(0x10, 100, recording.stack({{"main", "/app/a.py", 1}, {"f", "/app/b.py", 2}}));
  recording.allocate(0x20, 30, recording.stack({{"main", "/app/a.py", 1}}), Allocator::calloc);
  recording.thread = recording.definitions.add_thread({recording.process, 2, 43, kNoString});
  recording.allocate(0x30, 5, kNoStack);
  const Capture capture = recording.finish();
  const auto names = [&](GroupBy property, bool merge = true) {
    std::string text;
    for (const Bucket& bucket : group_by(capture, peak(capture, {merge}), property))
      text += bucket.name + ":" + std::to_string(bucket.bytes) + "/" + std::to_string(bucket.count) + " ";
    return text;
  };
  REQUIRE(names(GroupBy::stack) == "main;f:100/1 main:30/1 ???:5/1 ");
  REQUIRE(names(GroupBy::function) == "f at /app/b.py:100/1 main at /app/a.py:30/1 ???:5/1 ");
  REQUIRE(names(GroupBy::file) == "/app/b.py:100/1 /app/a.py:30/1 ???:5/1 ");
  REQUIRE(names(GroupBy::module) == "b.py:100/1 a.py:30/1 <root>:5/1 ");
  REQUIRE(names(GroupBy::library) == "???:135/3 ");
  REQUIRE(names(GroupBy::allocator) == "malloc:105/2 calloc:30/1 ");
  REQUIRE(names(GroupBy::thread) == "merged thread:135/3 ");
  REQUIRE(names(GroupBy::thread, false) == "Thread 1 (MainThread):130/2 Thread 2:5/1 ");
  REQUIRE(names(GroupBy::size) == "all sizes:135/3 ");
  REQUIRE(names(GroupBy::process, false) == "42 python app.py:135/3 ");
}

namespace {

std::string by_size(const Capture& capture, const Snapshot& snapshot) {
  std::string text;
  for (const Bucket& bucket : group_by(capture, snapshot, GroupBy::size))
    text += bucket.name + ":" + std::to_string(bucket.bytes) + "/" + std::to_string(bucket.count) + " ";
  return text;
}

// 300 mappings of 1 to 300 pages, made at one place; the last one, of 300 pages, in two pieces and a quarter of its
// size.
void map_many_sizes(Recording& recording) {
  const StackId at = recording.stack({{"f", "/app/f.py", 1}});
  for (std::uint64_t i = 1; i <= 300; ++i) recording.map(i << 24, 4096 * i, at);
  recording.unmap((std::uint64_t{300} << 24) + 4096 * 70, std::uint64_t{4096} * 225);
  for (std::uint64_t i = 1; i < 300; ++i) recording.unmap(i << 24, 4096 * i);
}

}  // namespace

TEST_CASE("a snapshot by size class") {
  Recording recording;
  const StackId at = recording.stack({{"f", "/app/f.py", 1}});
  std::uint64_t address = 0;
  for (const std::uint64_t size : {0, 1, 2, 3, 4, 1023, 1024, 1024, 2047})
    recording.allocate(address += 4096, size, at);
  recording.map(0x100000, 0x2000, at);
  recording.unmap(0x101000, 0x1000);  // of the class of what was asked for
  const Capture capture = recording.finish();
  REQUIRE(
      by_size(capture, leaks(capture, {.split_sizes = true})) ==
      "8.192kB to 16.383kB:4096/1 1.024kB to 2.047kB:4095/3 512B to 1.023kB:1023/1 2B to 3B:5/2 4B to 7B:4/1 1B:1/1 "
      "0B:0/1 ");
}

TEST_CASE("a cut mapping is of the class of what was asked for, also where sizes vary") {
  Recording recording;
  map_many_sizes(recording);
  const Capture capture = recording.finish();
  REQUIRE(by_size(capture, leaks(capture, {.split_sizes = true})) == "1.049MB to 2.097MB:307200/2 ");
}

TEST_CASE("sums of varying sizes are in a class of their own") {
  Recording recording;
  map_many_sizes(recording);
  const Capture capture = recording.finish_aggregated();
  REQUIRE(by_size(capture, leaks(capture, {.split_sizes = true})) == "varying sizes:307200/2 ");
}

}  // namespace memray::test
