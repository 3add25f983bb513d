// Protocol buffer messages, as far as profile.proto needs them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace memray::transform {

class Message {
 public:
  // Fields of value 0 and "" are left out: they are the defaults.
  void number(unsigned field, std::uint64_t value) {
    if (value == 0) return;
    varint(field << 3);
    varint(value);
  }
  void text(unsigned field, std::string_view value) {
    varint(field << 3 | 2);
    varint(value.size());
    bytes_ += value;
  }
  void message(unsigned field, const Message& value) { text(field, value.bytes_); }
  void packed(unsigned field, std::span<const std::uint64_t> values) {
    if (values.empty()) return;
    Message inner;
    for (const std::uint64_t value : values) inner.varint(value);
    message(field, inner);
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
  }

  std::string bytes_;
};

}  // namespace memray::transform
