// The optional columns of an events block, one writer and one reader each. Writers and readers walk over the events in
// step; each reader fails, for good, at bytes that no writer made.
#pragma once

#include <memray/types.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <span>

#include "capture/pool_model.h"
#include "capture/varint.h"

namespace memray::format {

// Which thread called: only where it is not the one expected, which is the site's for an allocation and the event's
// before for all others. Pairs of (events since the pair before, thread).
class ThreadColumnWriter {
 public:
  void add(std::uint64_t event, ThreadId thread, ThreadId expected) {
    if (thread != expected) {
      out_.varint(event - at_);
      out_.varint(index(thread));
      at_ = event;
    }
    previous_ = thread;
  }
  // Of an event whose thread is the one expected.
  void expect(ThreadId thread) { previous_ = thread; }
  ThreadId previous() const { return previous_; }
  std::span<const std::byte> bytes() const { return out_.bytes(); }

 private:
  ByteWriter out_;
  std::uint64_t at_ = 0;
  ThreadId previous_{};
};

class ThreadColumnReader {
 public:
  explicit ThreadColumnReader(std::span<const std::byte> bytes) : in_(bytes) { next(0); }

  ThreadId read(std::uint64_t event, ThreadId expected) {
    previous_ = expected;
    if (event == at_) [[unlikely]] {
      previous_ = thread_;
      next(event);
    }
    return previous_;
  }
  ThreadId previous() const { return previous_; }
  bool ok() const { return in_.ok(); }

 private:
  void next(std::uint64_t event) {
    at_ = ~std::uint64_t{0};
    if (in_.at_end()) return;
    const std::uint64_t gap = in_.varint();
    thread_ = ThreadId{in_.varint32()};
    if (in_.ok()) at_ = event + gap;
  }

  ByteReader in_;
  std::uint64_t at_ = 0;
  ThreadId thread_{};
  ThreadId previous_{};
};

// When: pairs of (events since the pair before, change of the time in units of 100 microseconds).
class TimeColumnWriter {
 public:
  void add(std::uint64_t event, std::int64_t units) {
    if (units == units_) return;
    out_.varint(event - at_);
    out_.varint(encode_delta(static_cast<std::uint64_t>(units), static_cast<std::uint64_t>(units_)));
    at_ = event;
    units_ = units;
  }
  std::span<const std::byte> bytes() const { return out_.bytes(); }

 private:
  ByteWriter out_;
  std::uint64_t at_ = 0;
  std::int64_t units_ = 0;
};

class TimeColumnReader {
 public:
  explicit TimeColumnReader(std::span<const std::byte> bytes) : in_(bytes) { next(0); }

  std::int64_t read(std::uint64_t event) {
    if (event == at_) [[unlikely]] {
      units_ = next_units_;
      next(event);
    }
    return units_;
  }
  bool ok() const { return in_.ok(); }

 private:
  void next(std::uint64_t event) {
    at_ = ~std::uint64_t{0};
    if (in_.at_end()) return;
    const std::uint64_t gap = in_.varint();
    next_units_ = static_cast<std::int64_t>(apply_delta(static_cast<std::uint64_t>(units_), in_.varint()));
    if (next_units_ < -kMost || next_units_ > kMost) in_.fail();  // would be no number of nanoseconds
    if (in_.ok()) at_ = event + gap;
  }

  static constexpr std::int64_t kMost = INT64_MAX / 1'000'000;

  ByteReader in_;
  std::uint64_t at_ = 0;
  std::int64_t units_ = 0;
  std::int64_t next_units_ = 0;
};

// Where. Allocators hand out again what was freed last, to requests of about the same size, so most addresses are told
// by how many frees of that size ago they were seen. Of the others most follow upon another block: the one handed out
// before (memory cut from a larger piece) or the latest of the same size (a pool that fills up). Together that takes
// half the bytes of differences. Writer and reader both keep this model of an allocator, from scratch in every block.
class AddressModel {
 public:
  static constexpr std::uint32_t kDepth = 32;
  enum Code : std::uint8_t {
    kAdjacent = kDepth,  // behind the allocation that last came from no list
    kNextOfClass,        // behind the latest of the class
    kNear,               // a multiple of 16 from the latest of the class
    kAnywhere,
  };

  // The latest freed blocks of a class, in a ring.
  struct List {
    std::uint64_t latest = 0;  // address told last
    std::array<std::uint64_t, kDepth> freed{};
    std::uint32_t top = 0;  // behind the newest
    std::uint32_t count = 0;

    void push(std::uint64_t address) {
      freed[top] = address;
      top = (top + 1) % kDepth;
      count += count < kDepth ? 1 : 0;
    }
    // `age` 0 is the newest.
    std::uint64_t at(std::uint32_t age) const { return freed[(top + kDepth - 1 - age) % kDepth]; }
    std::uint64_t take(std::uint32_t age) {
      latest = at(age);
      for (; age > 0; --age) freed[(top + kDepth - 1 - age) % kDepth] = at(age - 1);
      top = (top + kDepth - 1) % kDepth;
      --count;
      return latest;
    }
  };

  List& of(std::uint64_t size) {
    return lists_[size <= 1024 ? (size + 7) / 16 : 64 + static_cast<std::size_t>(std::bit_width(size))];
  }

  // Where a block would follow upon the one before.
  std::uint64_t adjacent() const { return end_; }
  static std::uint64_t next_of_class(const List& list, std::uint64_t size) {
    return list.latest + std::max<std::uint64_t>(16, (size + 15) / 16 * 16);
  }
  void fresh(List& list, std::uint64_t size, std::uint64_t address) {
    list.latest = address;
    end_ = address + std::max<std::uint64_t>(32, (size + 23) / 16 * 16);
  }

 private:
  std::array<List, 64 + 65> lists_{};
  std::uint64_t end_ = 0;
};

// Whose allocations PoolModel tells.
constexpr bool is_pooled(Allocator allocator, std::uint64_t size) {
  return allocator >= Allocator::pymalloc_malloc && allocator <= Allocator::pymalloc_free &&
         size <= PoolModel::kLargest;
}

// Two sections: a code for each allocation, and differences for codes kNear, kAnywhere and the like, and for partial
// and unknown deallocations.
class AddressColumnWriter {
 public:
  void allocation(Allocator allocator, std::uint64_t size, std::uint64_t address) {
    if (is_pooled(allocator, size)) return pooled_allocation(size, address);
    AddressModel::List& list = model_.of(size);
    if (list.count > 0 && list.at(0) == address) [[likely]] {
      codes_.u8(0);
      list.take(0);
    } else {
      unusual(list, size, address);
    }
  }
  void deallocation(Allocator allocator, std::uint64_t size, std::uint64_t address) {
    if (is_pooled(allocator, size)) return pools_.deallocation(PoolModel::class_of(size), address);
    model_.of(size).push(address);
  }
  // The block just freed is handed out and freed again, `count` times.
  void repeat(std::uint64_t count) {
    for (; count != 0; --count) codes_.u8(0);
  }
  void other(std::uint64_t size, std::uint64_t address) {
    AddressModel::List& list = model_.of(size);
    deltas_.varint(encode_delta(address, list.latest));
    list.latest = address;
  }
  std::span<const std::byte> codes() const { return codes_.bytes(); }
  std::span<const std::byte> deltas() const { return deltas_.bytes(); }
  void clear() {
    model_ = {};
    pools_.clear();
    codes_.clear();
    deltas_.clear();
  }

 private:
  void unusual(AddressModel::List& list, std::uint64_t size, std::uint64_t address) {
    std::uint8_t code = AddressModel::kAnywhere;
    if (address == model_.adjacent()) {
      code = AddressModel::kAdjacent;
    } else if (address == AddressModel::next_of_class(list, size)) {
      code = AddressModel::kNextOfClass;
    } else {
      for (std::uint32_t age = 1; age < list.count; ++age) {
        if (list.at(age) != address) continue;
        codes_.u8(static_cast<std::uint8_t>(age));
        list.take(age);
        return;
      }
      const std::uint64_t difference = address - list.latest;
      if (difference % 16 == 0) code = AddressModel::kNear;
      deltas_.varint(zigzag(static_cast<std::int64_t>(difference) / (code == AddressModel::kNear ? 16 : 1)));
    }
    codes_.u8(code);
    model_.fresh(list, size, address);
  }

  void pooled_allocation(std::uint64_t size, std::uint64_t address) {
    const std::uint32_t size_class = PoolModel::class_of(size);
    const std::uint64_t next = pools_.next(size_class);
    if (next == address && next != 0) [[likely]] {
      codes_.u8(0);
    } else {
      guessed_wrong(size_class, next, address);
    }
    pools_.allocation(size_class, address);
  }
  void guessed_wrong(std::uint32_t size_class, std::uint64_t next, std::uint64_t address) {
    const std::uint32_t others = pools_.position(size_class, address);
    if (others < PoolModel::kListed) return codes_.u8(static_cast<std::uint8_t>(others));
    const std::uint64_t latest = pools_.latest(size_class);
    const std::uint64_t pool = PoolModel::pool_of(address);
    if (next != 0 && PoolModel::pool_of(next) == pool && (address - next) % 16 == 0) {
      codes_.u8(PoolModel::kInPool);
      deltas_.varint(zigzag(static_cast<std::int64_t>(address - next) / 16));
    } else if (PoolModel::first_block(pool) == address) {
      codes_.u8(PoolModel::kNewPool);
      deltas_.varint(encode_delta(pool, PoolModel::pool_of(latest)));
    } else if ((address - latest) % 16 == 0) {
      codes_.u8(PoolModel::kNear);
      deltas_.varint(zigzag(static_cast<std::int64_t>(address - latest) / 16));
    } else {
      codes_.u8(PoolModel::kAnywhere);
      deltas_.varint(encode_delta(address, latest));
    }
  }

  AddressModel model_;
  PoolModel pools_;
  ByteWriter codes_, deltas_;
};

class AddressColumnReader {
 public:
  AddressColumnReader(std::span<const std::byte> codes, std::span<const std::byte> deltas)
      : codes_(codes), deltas_(deltas) {}

  std::uint64_t allocation(Allocator allocator, std::uint64_t size) {
    if (is_pooled(allocator, size)) return pooled_allocation(PoolModel::class_of(size));
    AddressModel::List& list = model_.of(size);
    const std::uint8_t code = codes_.u8();
    if (code < AddressModel::kDepth) return code < list.count ? list.take(code) : codes_.fail();
    std::uint64_t address = 0;
    switch (code) {
      case AddressModel::kAdjacent:
        address = model_.adjacent();
        break;
      case AddressModel::kNextOfClass:
        address = AddressModel::next_of_class(list, size);
        break;
      case AddressModel::kNear:
        address = list.latest + static_cast<std::uint64_t>(unzigzag(deltas_.varint())) * 16;
        break;
      case AddressModel::kAnywhere:
        address = apply_delta(list.latest, deltas_.varint());
        break;
      default:
        return codes_.fail();
    }
    model_.fresh(list, size, address);
    return address;
  }
  void deallocation(Allocator allocator, std::uint64_t size, std::uint64_t address) {
    if (is_pooled(allocator, size)) return pools_.deallocation(PoolModel::class_of(size), address);
    model_.of(size).push(address);
  }
  std::uint64_t other(std::uint64_t size) {
    AddressModel::List& list = model_.of(size);
    return list.latest = apply_delta(list.latest, deltas_.varint());
  }
  bool ok() const { return codes_.ok() && deltas_.ok(); }

 private:
  std::uint64_t pooled_allocation(std::uint32_t size_class) {
    const std::uint8_t code = codes_.u8();
    const std::uint64_t next = pools_.next(size_class, code < PoolModel::kListed ? code : 0);
    const std::uint64_t latest = pools_.latest(size_class);
    std::uint64_t address = next;
    switch (code) {
      case PoolModel::kInPool:
        address = next + static_cast<std::uint64_t>(unzigzag(deltas_.varint())) * 16;
        break;
      case PoolModel::kNewPool:
        address = PoolModel::first_block(apply_delta(PoolModel::pool_of(latest), deltas_.varint()));
        break;
      case PoolModel::kNear:
        address = latest + static_cast<std::uint64_t>(unzigzag(deltas_.varint())) * 16;
        break;
      case PoolModel::kAnywhere:
        address = apply_delta(latest, deltas_.varint());
        break;
      default:
        if (code > PoolModel::kAnywhere || next == 0) return codes_.fail();
    }
    pools_.allocation(size_class, address);
    return address;
  }

  AddressModel model_;
  PoolModel pools_;
  ByteReader codes_, deltas_;
};

}  // namespace memray::format
