// Reading the encodings of DWARF from memory that belongs to a loaded object.
#pragma once

#include "memory.h"

#include <cstdint>

namespace memray::native {

class Bytes {
 public:
  explicit Bytes(const std::uint8_t* at) : at_(at) {}

  const std::uint8_t* at() const { return at_; }
  Word address() const { return reinterpret_cast<Word>(at_); }
  void skip(std::uint64_t count) { at_ += count; }

  template <typename T>
  T get() {
    T value;
    __builtin_memcpy(&value, at_, sizeof value);
    at_ += sizeof value;
    return value;
  }

  std::uint64_t unsigned_leb() {
    std::uint64_t value = 0;
    std::uint32_t shift = 0;
    std::uint8_t byte;
    do {
      byte = *at_++;
      if (shift < 64) value |= std::uint64_t{byte & 0x7fu} << shift;
      shift += 7;
    } while (byte & 0x80);
    return value;
  }

  std::int64_t signed_leb() {
    std::uint64_t value = 0;
    std::uint32_t shift = 0;
    std::uint8_t byte;
    do {
      byte = *at_++;
      if (shift < 64) value |= std::uint64_t{byte & 0x7fu} << shift;
      shift += 7;
    } while (byte & 0x80);
    if ((byte & 0x40) && shift < 64) value |= ~std::uint64_t{0} << shift;
    return static_cast<std::int64_t>(value);
  }

  // A pointer in one of the encodings of .eh_frame (DW_EH_PE_*). False: one that we do not know. What is stored
  // indirectly yields the address of where it is stored.
  bool pointer(std::uint8_t encoding, Word data_base, Word& value) {
    constexpr std::uint8_t kOmitted = 0xff;
    if (encoding == kOmitted) return value = 0, true;
    const Word here = address();
    switch (encoding & 0x0f) {
      case 0x00:
      case 0x04:
      case 0x0c:
        value = get<std::uint64_t>();
        break;
      case 0x01:
        value = unsigned_leb();
        break;
      case 0x02:
        value = get<std::uint16_t>();
        break;
      case 0x03:
        value = get<std::uint32_t>();
        break;
      case 0x09:
        value = static_cast<Word>(signed_leb());
        break;
      case 0x0a:
        value = static_cast<Word>(std::int64_t{get<std::int16_t>()});
        break;
      case 0x0b:
        value = static_cast<Word>(std::int64_t{get<std::int32_t>()});
        break;
      default:
        return false;
    }
    if (value == 0) return true;  // nothing, whatever it would be relative to
    switch (encoding & 0x70) {
      case 0x00:
        return true;
      case 0x10:
        value += here;
        return true;
      case 0x30:
        value += data_base;
        return true;
      default:
        return false;
    }
  }

 private:
  const std::uint8_t* at_;
};

}  // namespace memray::native
