// Structures in Thrift's compact protocol, as far as Parquet's footer and page headers need them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace memray::transform {

class ThriftStruct {
 public:
  enum Type : std::uint8_t { i32 = 5, i64 = 6, binary = 8, list = 9, structure = 12 };

  ThriftStruct& number(int id, Type type, std::int64_t value) {
    begin(id, type);
    zigzag(value);
    return *this;
  }
  ThriftStruct& text(int id, std::string_view value) {
    begin(id, binary);
    append(value);
    return *this;
  }
  ThriftStruct& nested(int id, const ThriftStruct& value) {
    begin(id, structure);
    bytes_ += value.finished();
    return *this;
  }
  // Calls `item(i)` for each: an encoded element.
  template <typename Item>
  ThriftStruct& items(int id, Type type, std::size_t count, Item item) {
    begin(id, list);
    if (count < 15) {
      bytes_ += static_cast<char>(count << 4 | type);
    } else {
      bytes_ += static_cast<char>(0xf0 | type);
      varint(count);
    }
    for (std::size_t i = 0; i < count; ++i) bytes_ += item(i);
    return *this;
  }

  std::string finished() const { return bytes_ + '\0'; }

  static std::string encoded(std::int64_t value) {
    ThriftStruct item;
    item.zigzag(value);
    return item.bytes_;
  }
  static std::string encoded(std::string_view value) {
    ThriftStruct item;
    item.append(value);
    return item.bytes_;
  }

 private:
  void begin(int id, Type type) {  // ids ascend
    bytes_ += static_cast<char>((id - last_) << 4 | type);
    last_ = id;
  }
  void zigzag(std::int64_t value) {
    varint(static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63));
  }
  void append(std::string_view value) {
    varint(value.size());
    bytes_ += value;
  }
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
  }

  std::string bytes_;
  int last_ = 0;
};

}  // namespace memray::transform
