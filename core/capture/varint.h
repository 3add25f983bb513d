// Numbers as bytes: LEB128 (seven bits a byte, least significant first, high bit set on all but the last), zigzag for
// signed ones, and little-endian words of fixed size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

namespace memray::format {

inline constexpr std::size_t kMaxVarint = 10;  // bytes

constexpr std::uint64_t zigzag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}
constexpr std::int64_t unzigzag(std::uint64_t value) { return static_cast<std::int64_t>((value >> 1) ^ -(value & 1)); }

// The signed distance between two unsigned numbers, and back; both wrap around.
constexpr std::uint64_t encode_delta(std::uint64_t value, std::uint64_t base) {
  return zigzag(static_cast<std::int64_t>(value - base));
}
constexpr std::uint64_t apply_delta(std::uint64_t base, std::uint64_t code) {
  return base + static_cast<std::uint64_t>(unzigzag(code));
}

// A byte string under construction. `clear` keeps the memory.
class ByteWriter {
 public:
  void varint(std::uint64_t value) {
    if (capacity_ - size_ < kMaxVarint) [[unlikely]]
      grow(kMaxVarint);
    std::uint8_t* out = data_.get() + size_;
    while (value >= 0x80) {
      *out++ = static_cast<std::uint8_t>(value | 0x80);
      value >>= 7;
    }
    *out++ = static_cast<std::uint8_t>(value);
    size_ = static_cast<std::size_t>(out - data_.get());
  }
  void u8(std::uint8_t value) { raw(&value, 1); }
  void u16(std::uint16_t value) { fixed(value, 2); }
  void u32(std::uint32_t value) { fixed(value, 4); }
  void u64(std::uint64_t value) { fixed(value, 8); }
  void text(std::string_view value) {
    varint(value.size());
    raw(value.data(), value.size());
  }
  void raw(const void* bytes, std::size_t count) {
    if (count == 0) return;
    if (capacity_ - size_ < count) grow(count);
    std::memcpy(data_.get() + size_, bytes, count);
    size_ += count;
  }

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  void clear() { size_ = 0; }
  std::span<const std::byte> bytes() const { return {reinterpret_cast<const std::byte*>(data_.get()), size_}; }

  // Room for `count` bytes, to be filled in by the caller, who says with `commit` how many it wrote.
  std::byte* prepare(std::size_t count) {
    if (capacity_ - size_ < count) grow(count);
    return reinterpret_cast<std::byte*>(data_.get()) + size_;
  }
  void commit(std::size_t count) { size_ += count; }
  void patch_u32(std::size_t position, std::uint32_t value) {
    for (std::size_t i = 0; i < 4; ++i) data_[position + i] = static_cast<std::uint8_t>(value >> (8 * i));
  }

 private:
  void fixed(std::uint64_t value, std::size_t count) {
    std::uint8_t bytes[8];
    for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::uint8_t>(value >> (8 * i));
    raw(bytes, count);
  }
  void grow(std::size_t needed) {
    const std::size_t doubled = capacity_ * 2 < 256 ? 256 : capacity_ * 2;
    const std::size_t capacity = doubled < size_ + needed ? size_ + needed : doubled;
    auto larger = std::make_unique_for_overwrite<std::uint8_t[]>(capacity);
    if (size_ != 0) std::memcpy(larger.get(), data_.get(), size_);
    data_ = std::move(larger);
    capacity_ = capacity;
  }

  std::unique_ptr<std::uint8_t[]> data_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

// Reads what ByteWriter wrote, from bytes that nobody vouches for. Reading past the end, or a number of more than 64
// bits, yields 0 and makes `ok` false for good.
class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes)
      : at_(reinterpret_cast<const std::uint8_t*>(bytes.data())), end_(at_ + bytes.size()) {}

  std::uint64_t varint() {
    if (at_ < end_ && *at_ < 0x80) return *at_++;
    return long_varint();
  }
  // A number that has to fit 32 bits.
  std::uint32_t varint32() {
    const std::uint64_t value = varint();
    if (value > 0xffff'ffff) return static_cast<std::uint32_t>(fail());
    return static_cast<std::uint32_t>(value);
  }
  std::uint8_t u8() { return static_cast<std::uint8_t>(fixed(1)); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(fixed(2)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(fixed(4)); }
  std::uint64_t u64() { return fixed(8); }
  std::string_view text() {
    const std::uint64_t size = varint();
    if (size > remaining()) {
      fail();
      return {};
    }
    const std::string_view value(reinterpret_cast<const char*>(at_), size);
    at_ += size;
    return value;
  }
  std::span<const std::byte> raw(std::size_t count) {
    if (count > remaining()) {
      fail();
      return {};
    }
    const std::span<const std::byte> value(reinterpret_cast<const std::byte*>(at_), count);
    at_ += count;
    return value;
  }

  std::size_t remaining() const { return static_cast<std::size_t>(end_ - at_); }
  bool at_end() const { return at_ == end_; }
  bool ok() const { return ok_; }
  std::uint64_t fail() {
    ok_ = false;
    at_ = end_;
    return 0;
  }

 private:
  std::uint64_t long_varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && at_ < end_; shift += 7) {
      const std::uint64_t byte = *at_++;
      if (shift == 63 && byte > 1) return fail();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return fail();
  }
  std::uint64_t fixed(std::size_t count) {
    if (count > remaining()) return fail();
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < count; ++i) value |= static_cast<std::uint64_t>(*at_++) << (8 * i);
    return value;
  }

  const std::uint8_t* at_;
  const std::uint8_t* end_;
  bool ok_ = true;
};

}  // namespace memray::format
