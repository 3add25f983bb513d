// The optional columns of an events block, one writer and one reader each. Writers and readers walk over the events in
// step; each reader fails, for good, at bytes that no writer made.
#pragma once

#include <memray/types.h>

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

// Where: of allocations, partial and unknown deallocations, as the difference from the one before.
class AddressColumnWriter {
 public:
  void add(std::uint64_t address) {
    out_.varint(encode_delta(address, previous_));
    previous_ = address;
  }
  std::span<const std::byte> bytes() const { return out_.bytes(); }
  void clear() {
    out_.clear();
    previous_ = 0;
  }

 private:
  ByteWriter out_;
  std::uint64_t previous_ = 0;
};

class AddressColumnReader {
 public:
  explicit AddressColumnReader(std::span<const std::byte> bytes) : in_(bytes) {}
  std::uint64_t read() { return previous_ = apply_delta(previous_, in_.varint()); }
  bool ok() const { return in_.ok(); }

 private:
  ByteReader in_;
  std::uint64_t previous_ = 0;
};

}  // namespace memray::format
