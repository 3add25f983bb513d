// Random programs, replayed by a model that is too simple to be wrong: it keeps every live block in a map, adds all of
// them up after every call, and copies the whole map whenever the sum is a record.
#pragma once

#include <memray/query.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <optional>
#include <random>
#include <tuple>

#include "recording.h"

namespace memray::test {

struct Block {
  std::uint64_t end;  // one past the last address; equal to the first for a size of 0
  std::uint64_t size;
  std::uint64_t maker;  // index into Model::made
};

// Groups as a snapshot must have them: key -> (bytes, count), and the order of first allocations.
using Key = std::tuple<StackId, StackId, ThreadId, Allocator>;

struct Model {
  std::vector<RawAllocation> made;
  std::map<std::pair<ProcessId, std::uint64_t>, Block> heap, mappings;
  std::vector<Block> leaked_at_exit;
  std::vector<Block> at_peak;
  std::uint64_t record = 0;

  // Everything after every call.
  struct Moment {
    Time time;
    std::vector<Block> live, leaked;
    std::uint64_t bytes;
  };
  std::vector<Moment> history;
  bool keep_history = false;

  std::vector<Block> live() const {
    std::vector<Block> all;
    for (const auto* blocks : {&heap, &mappings})
      for (const auto& [where, block] : *blocks) all.push_back(block);
    return all;
  }

  void look(Time time) {
    std::uint64_t sum = 0;
    const std::vector<Block> now = live();
    for (const Block& block : now) sum += block.size;
    if (keep_history) history.push_back({time, now, leaked(), sum});
    if (sum < record) return;
    record = sum;
    at_peak = now;
  }

  void allocate(const RawAllocation& raw) {
    made.push_back(raw);
    heap[{raw.process, raw.address}] = {raw.address + raw.size, raw.size, made.size() - 1};
  }
  void release(const RawDeallocation& raw) { heap.erase({raw.process, raw.address}); }

  void unmap(ProcessId process, std::uint64_t begin, std::uint64_t end) {
    std::map<std::pair<ProcessId, std::uint64_t>, Block> rest;
    for (const auto& [where, block] : mappings) {
      const ProcessId owner = where.first;
      const std::uint64_t start = where.second;
      const auto keep = [&rest, owner, maker = block.maker](std::uint64_t from, std::uint64_t to) {
        if (from < to) rest[{owner, from}] = {to, to - from, maker};
      };
      if (owner != process || end <= start || block.end <= begin) {
        keep(start, block.end);
      } else {
        keep(start, std::min(begin, block.end));
        keep(std::max(end, start), block.end);
      }
    }
    mappings = rest;
  }
  void map(const RawAllocation& raw) {
    unmap(raw.process, raw.address, raw.address + raw.size);
    made.push_back(raw);
    mappings[{raw.process, raw.address}] = {raw.address + raw.size, raw.size, made.size() - 1};
  }

  std::size_t ends = 0;
  void end(ProcessId process, bool exec) {
    ++ends;
    for (auto* blocks : {&heap, &mappings})
      std::erase_if(*blocks, [&](const auto& entry) {
        if (entry.first.first != process) return false;
        if (!exec) leaked_at_exit.push_back(entry.second);
        return true;
      });
  }

  std::vector<Block> leaked() const {
    std::vector<Block> all = live();
    all.insert(all.end(), leaked_at_exit.begin(), leaked_at_exit.end());
    return all;
  }

  Key key(std::uint64_t maker, bool merge) const {
    const RawAllocation& raw = made[maker];
    return {raw.stack, raw.native_stack, merge ? kMergedThreads : raw.thread, raw.allocator};
  }

  std::vector<Group> groups(const std::vector<Block>& blocks, bool merge) const {
    std::map<Key, Group> totals;
    for (const Block& block : blocks) {
      Group& group = totals[key(block.maker, merge)];
      group.bytes += block.size;
      group.count += 1;
    }
    std::vector<Group> result;
    for (std::uint64_t maker = 0; maker < made.size(); ++maker) {
      const auto found = totals.extract(key(maker, merge));
      if (found.empty()) continue;
      Group group = found.mapped();
      std::tie(group.stack, group.native_stack, group.thread, group.allocator) = found.key();
      result.push_back(group);
    }
    return result;
  }
};

inline void check(const Snapshot& got, const std::vector<Group>& wanted) {
  REQUIRE(got.groups.size() == wanted.size());
  std::uint64_t bytes = 0;
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    CAPTURE(i);
    REQUIRE(got.groups[i].stack == wanted[i].stack);
    REQUIRE(got.groups[i].native_stack == wanted[i].native_stack);
    REQUIRE(got.groups[i].thread == wanted[i].thread);
    REQUIRE(got.groups[i].allocator == wanted[i].allocator);
    REQUIRE(got.groups[i].bytes == wanted[i].bytes);
    REQUIRE(got.groups[i].count == wanted[i].count);
    bytes += wanted[i].bytes;
    count += wanted[i].count;
  }
  REQUIRE(got.bytes == bytes);
  REQUIRE(got.count == count);
}

enum class Kept { everything, totals, newest };

class RandomProgram {
 public:
  explicit RandomProgram(unsigned seed) : random_(seed) {
    for (std::uint32_t i = 1; i <= 12; ++i)
      stacks_.push_back(recording.stack({{"main", "/app/main.py", 1}, {"f" + std::to_string(i % 5), "/app/f.py", i}}));
    stacks_.push_back(kNoStack);
    for (const std::uint32_t pid : {100u, 101u, 102u}) add_process(pid);
  }

  void run(int steps) {
    for (int i = 0; i < steps; ++i) {
      const std::vector<Block> before = keep_calls ? model.live() : std::vector<Block>{};
      const std::size_t made = model.made.size();
      const std::size_t exits = model.ends;
      step();
      model.look(recording.now());
      if (keep_calls && model.ends == exits) note(before, made);
    }
  }

  Capture finish(Kept kept) {
    if (kept == Kept::totals) return recording.finish_aggregated();
    return kept == Kept::newest ? recording.finish_bounded(4000) : recording.finish();
  }

  Recording recording;
  Model model;

  // What each call ended and made, if it is kept.
  struct Call {
    ThreadId thread;
    std::vector<Block> ended;
    std::optional<std::uint64_t> made;
  };
  std::vector<Call> calls;
  bool keep_calls = false;
  bool many_sizes = false;  // in few places

 private:
  struct Image {
    ProcessId process;
    std::vector<ThreadId> threads;
  };

  // Blocks that were there and are not any more, as a whole.
  void note(const std::vector<Block>& before, std::size_t made) {
    const std::vector<Block> now = model.live();
    Call call{recording.thread, {}, {}};
    for (const Block& block : before)
      if (std::ranges::none_of(now, [&](const Block& other) { return other.maker == block.maker; }))
        call.ended.push_back(block);
    if (model.made.size() > made) call.made = made;
    calls.push_back(call);
  }

  std::uint64_t below(std::uint64_t n) { return std::uniform_int_distribution<std::uint64_t>(0, n - 1)(random_); }

  void add_process(std::uint32_t pid) {
    Image image{recording.definitions.add_process({pid, 42, kNoString, recording.now()}), {}};
    for (const std::uint32_t number : {1u, 2u})
      image.threads.push_back(recording.definitions.add_thread({image.process, number, pid + number, kNoString}));
    images_.push_back(image);
  }

  std::uint64_t size() {
    if (below(8) == 0) return 0;
    if (many_sizes) return below(std::uint64_t{1} << (8 + below(9)));
    if (below(40) == 0) return 1 + below(100'000);
    return 64 * (1 + below(4));  // equal sums are common
  }

  void step() {
    const Image& image = images_[below(many_sizes ? 1 : images_.size())];
    recording.process = image.process;
    recording.thread = image.threads[many_sizes ? 0 : below(2)];
    const StackId at = stacks_[below(many_sizes ? 1 : stacks_.size())];
    const std::uint64_t block = 0x1000 + 16 * below(300);
    const std::uint64_t page = 0x100000 + 4096 * below(40);
    const std::uint64_t pages = 4096 * (1 + below(8));
    const std::uint64_t dice = below(1000);
    if (dice < 450) {
      const auto how = many_sizes || below(2) != 0 ? Allocator::malloc : Allocator::pymalloc_malloc;
      const RawAllocation raw = recording.made(block, size(), at, how);
      model.allocate(raw);
      recording.matcher.allocate(raw);
    } else if (dice < 850) {
      const RawDeallocation raw = recording.gone(block);
      model.release(raw);
      recording.matcher.deallocate(raw);
    } else if (dice < 920) {
      const RawAllocation raw = recording.made(page, pages, at, Allocator::mmap);
      model.map(raw);
      recording.matcher.map(raw);
    } else if (dice < 995) {
      const RawDeallocation raw = recording.gone(page, pages, Allocator::munmap);
      model.unmap(raw.process, page, page + pages);
      recording.matcher.unmap(raw);
    } else {
      end_one();
    }
  }

  void end_one() {
    const std::size_t which = below(images_.size());
    const bool exec = below(2) == 0;
    const ProcessId process = images_[which].process;
    model.end(process, exec);
    recording.matcher.process_ended(process, exec, recording.now());
    images_.erase(images_.begin() + static_cast<std::ptrdiff_t>(which));
    add_process(200);
  }

  std::mt19937 random_;
  std::vector<StackId> stacks_;
  std::vector<Image> images_;
};

}  // namespace memray::test
