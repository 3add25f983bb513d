// The optional columns of an events block, one writer and one reader each. Writers and readers walk over the events in
// step; each reader fails, for good, at bytes that no writer made.
#pragma once

#include <memray/types.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <span>

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

// Two sections: a code for each allocation, and differences for codes kNear and kAnywhere and for partial and unknown
// deallocations.
class AddressColumnWriter {
 public:
  void allocation(std::uint64_t size, std::uint64_t address) {
    AddressModel::List& list = model_.of(size);
    if (list.count > 0 && list.at(0) == address) [[likely]] {
      codes_.u8(0);
      list.take(0);
    } else {
      unusual(list, size, address);
    }
  }
  void deallocation(std::uint64_t size, std::uint64_t address) { model_.of(size).push(address); }
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

  AddressModel model_;
  ByteWriter codes_, deltas_;
};

class AddressColumnReader {
 public:
  AddressColumnReader(std::span<const std::byte> codes, std::span<const std::byte> deltas)
      : codes_(codes), deltas_(deltas) {}

  std::uint64_t allocation(std::uint64_t size) {
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
  void deallocation(std::uint64_t size, std::uint64_t address) { model_.of(size).push(address); }
  std::uint64_t other(std::uint64_t size) {
    AddressModel::List& list = model_.of(size);
    return list.latest = apply_delta(list.latest, deltas_.varint());
  }
  bool ok() const { return codes_.ok() && deltas_.ok(); }

 private:
  AddressModel model_;
  ByteReader codes_, deltas_;
};

}  // namespace memray::format
