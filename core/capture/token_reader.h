// The events section of a block as a stream of numbers, many at a time.
//
// Everything in the section is a varint, mostly of one byte, often of two. Decoded one after the other, each waits to
// know where the one before ended, or the processor guesses, wrongly for every third. Here the ends are found eight
// bytes at a time from the high bits, and numbers are cut out of that word without a branch on their length.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "capture/varint.h"

namespace memray::format {

class TokenReader {
 public:
  static constexpr std::size_t kBatch = 4096;

  explicit TokenReader(std::span<const std::byte> bytes)
      : at_(reinterpret_cast<const std::uint8_t*>(bytes.data())), end_(at_ + bytes.size()) {}

  // Keeps the last `unread` numbers of those returned before and reads on behind them. What is returned is valid until
  // the next call; it is less than kBatch only at the end of the bytes, or if what follows is no varint.
  std::span<const std::uint64_t> fill(std::size_t unread) {
    std::memmove(numbers_.data(), numbers_.data() + count_ - unread, unread * sizeof numbers_[0]);
    count_ = unread;
    while (count_ + sizeof(std::uint64_t) <= numbers_.size() && end_ - at_ >= 8) {
      if (!read_word()) [[unlikely]]
        return numbers();
    }
    while (count_ < numbers_.size() && at_ < end_)
      if (!read_one()) break;
    return numbers();
  }

  bool at_end() const { return at_ == end_; }

 private:
  static constexpr std::uint64_t kHighBits = 0x8080'8080'8080'8080;

  std::span<const std::uint64_t> numbers() const { return std::span(numbers_).first(count_); }

  static std::uint64_t load(const std::uint8_t* at) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, sizeof word);
    return word;
  }

  // Bytes of seven bits, least significant first, to one number.
  static std::uint64_t squeeze(std::uint64_t word) {
    word = (word & 0x007f'007f'007f'007f) | (word & 0x7f00'7f00'7f00'7f00) >> 1;
    word = (word & 0x0000'3fff'0000'3fff) | (word & 0x3fff'0000'3fff'0000) >> 2;
    return (word & 0x0fff'ffff) | (word & 0x0fff'ffff'0000'0000) >> 4;
  }

  bool read_word() {
    if constexpr (std::endian::native != std::endian::little) return read_one();
    const std::uint64_t word = load(at_);
    std::uint64_t ends = ~word & kHighBits;
    if (ends == 0) [[unlikely]]
      return read_one();
    std::uint64_t rest = word;
    unsigned taken = 0;  // bits
    std::uint64_t* out = numbers_.data() + count_;
    do {
      const unsigned end = static_cast<unsigned>(std::countr_zero(ends)) + 1;
      *out++ = squeeze(rest & (~std::uint64_t{0} >> (64 - (end - taken))));
      rest = end == 64 ? 0 : word >> end;
      taken = end;
      ends &= ends - 1;
    } while (ends != 0);
    count_ = static_cast<std::size_t>(out - numbers_.data());
    at_ += taken / 8;
    return true;
  }

  bool read_one() {
    ByteReader in({reinterpret_cast<const std::byte*>(at_), static_cast<std::size_t>(end_ - at_)});
    const std::uint64_t value = in.varint();
    if (!in.ok()) return false;
    numbers_[count_++] = value;
    at_ = end_ - in.remaining();
    return true;
  }

  const std::uint8_t* at_;
  const std::uint8_t* end_;
  std::array<std::uint64_t, kBatch> numbers_;
  std::size_t count_ = 0;
};

}  // namespace memray::format
