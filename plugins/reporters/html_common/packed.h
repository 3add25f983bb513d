// Columns of numbers as text that a page can hold: seven bits a byte, low ones first, the eighth bit set where more
// follow, and all that in base64. Most numbers of a report are small, so a column takes a third of what it would take
// in JSON, and a browser reads it faster.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace memray::html {

class Packed {
 public:
  void add(std::uint64_t number) {
    for (; number >= 0x80; number >>= 7) bytes_ += static_cast<char>(number | 0x80);
    bytes_ += static_cast<char>(number);
  }
  // Small for numbers near zero on either side.
  void add_signed(std::int64_t number) {
    add(static_cast<std::uint64_t>(number) << 1 ^ static_cast<std::uint64_t>(number >> 63));
  }

  std::string base64() const;

 private:
  std::string bytes_;
};

template <typename Range, typename Number>
std::string pack(const Range& range, Number number) {
  Packed packed;
  for (const auto& item : range) packed.add(number(item));
  return packed.base64();
}

template <typename Range>
std::string pack(const Range& range) {
  return pack(range, [](std::uint64_t item) { return item; });
}

}  // namespace memray::html
