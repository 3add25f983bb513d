// The optional columns of an events block, one writer and one reader each. Writers and readers walk over the events in
// step; each reader fails, for good, at bytes that no writer made.
#pragma once

#include <memray/types.h>

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
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
    if (in_.ok()) at_ = event + gap;
  }

  ByteReader in_;
  std::uint64_t at_ = 0;
  std::int64_t units_ = 0;
  std::int64_t next_units_ = 0;
};

// Where. Allocators hand out again what was freed last, to requests of about the same size, so most addresses are told
// by how many frees of that size ago they were seen: half the bytes that differences take. Writer and reader both keep
// this model of free lists, from scratch in every block.
class FreeLists {
 public:
  static constexpr std::uint8_t kDepth = 8;

  struct List {
    std::uint64_t latest = 0;                   // address told last
    std::array<std::uint64_t, kDepth> freed{};  // oldest first
    std::uint8_t count = 0;

    void push(std::uint64_t address) {
      if (count == kDepth) {
        std::memmove(freed.data(), freed.data() + 1, (kDepth - 1) * sizeof(freed[0]));
        --count;
      }
      freed[count++] = address;
    }
    // `age` 0 is the newest.
    std::uint64_t take(std::uint8_t age) {
      const std::size_t place = count - 1u - age;
      latest = freed[place];
      for (std::size_t i = place; i + 1 < count; ++i) freed[i] = freed[i + 1];
      --count;
      return latest;
    }
  };

  List& of(std::uint64_t size) {
    return lists_[size <= 1024 ? (size + 7) / 16 : 64 + static_cast<std::size_t>(std::bit_width(size))];
  }

 private:
  std::array<List, 64 + 65> lists_{};
};

// Two sections: for each allocation a code, the age in its free list or kDepth; and differences from the address told
// last for that size, for allocations of code kDepth and for partial and unknown deallocations.
class AddressColumnWriter {
 public:
  void allocation(std::uint64_t size, std::uint64_t address) {
    FreeLists::List& list = lists_.of(size);
    for (std::uint8_t age = 0; age < list.count; ++age) {
      if (list.freed[list.count - 1u - age] != address) continue;
      codes_.u8(age);
      list.take(age);
      return;
    }
    codes_.u8(FreeLists::kDepth);
    other(size, address);
  }
  void deallocation(std::uint64_t size, std::uint64_t address) { lists_.of(size).push(address); }
  void other(std::uint64_t size, std::uint64_t address) {
    FreeLists::List& list = lists_.of(size);
    deltas_.varint(encode_delta(address, list.latest));
    list.latest = address;
  }
  std::span<const std::byte> codes() const { return codes_.bytes(); }
  std::span<const std::byte> deltas() const { return deltas_.bytes(); }
  void clear() {
    lists_ = {};
    codes_.clear();
    deltas_.clear();
  }

 private:
  FreeLists lists_;
  ByteWriter codes_, deltas_;
};

class AddressColumnReader {
 public:
  AddressColumnReader(std::span<const std::byte> codes, std::span<const std::byte> deltas)
      : codes_(codes), deltas_(deltas) {}

  std::uint64_t allocation(std::uint64_t size) {
    const std::uint8_t code = codes_.u8();
    if (code == FreeLists::kDepth) return other(size);
    FreeLists::List& list = lists_.of(size);
    return code < list.count ? list.take(code) : codes_.fail();
  }
  void deallocation(std::uint64_t size, std::uint64_t address) { lists_.of(size).push(address); }
  std::uint64_t other(std::uint64_t size) {
    FreeLists::List& list = lists_.of(size);
    return list.latest = apply_delta(list.latest, deltas_.varint());
  }
  bool ok() const { return codes_.ok() && deltas_.ok(); }

 private:
  FreeLists lists_;
  ByteReader codes_, deltas_;
};

}  // namespace memray::format
