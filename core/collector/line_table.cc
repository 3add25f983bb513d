// CPython has encoded line tables in three ways. All are lists of (bytes of code, change of line), read from the start:
//
//   co_lnotab (up to 3.9)   pairs: unsigned step of the offset, signed step of the line, each one byte. A line begins
//                           where the offset has been stepped to.
//   PEP 626 (3.10)          pairs: length of a range, signed step of the line; -128 marks a range that has no line.
//   locations (from 3.11)   entries of one to many bytes. The first: 1 kkkk lll, kind and length in code units. What
//                           follows depends on the kind, and has its top bit clear; only the line is of interest here.
#include "collector/line_table.h"

#include <cstddef>

namespace memray {

namespace {

using Table = std::span<const std::uint8_t>;

std::int64_t signed_byte(std::uint8_t byte) { return static_cast<std::int8_t>(byte); }

std::uint32_t to_line(std::int64_t line) {
  return line > 0 && line <= 0xffff'ffff ? static_cast<std::uint32_t>(line) : 0;
}

std::uint32_t from_lnotab(Table table, std::int64_t line, std::uint32_t offset) {
  std::uint64_t at = 0;
  for (std::size_t i = 0; i + 1 < table.size(); i += 2) {
    at += table[i];
    if (at > offset) break;
    line += signed_byte(table[i + 1]);
  }
  return to_line(line);
}

std::uint32_t from_ranges(Table table, std::int64_t line, std::uint32_t offset) {
  std::uint64_t end = 0;
  for (std::size_t i = 0; i + 1 < table.size(); i += 2) {
    end += table[i];
    const std::int64_t step = signed_byte(table[i + 1]);
    const bool has_line = step != -128;
    if (has_line) line += step;
    if (offset < end) return has_line ? to_line(line) : 0;
  }
  return 0;
}

// Six bits a byte, lowest first, bit 6 set on all but the last; the sign, if any, in the lowest bit.
std::int64_t signed_varint(Table table, std::size_t at) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; at < table.size() && shift < 36; ++at, shift += 6) {
    value |= std::uint64_t{table[at] & 0x3fu} << shift;
    if (!(table[at] & 0x40)) break;
  }
  const auto magnitude = static_cast<std::int64_t>(value >> 1);
  return value & 1 ? -magnitude : magnitude;
}

std::uint32_t from_locations(Table table, std::int64_t line, std::uint32_t offset) {
  std::uint64_t end = 0;
  for (std::size_t i = 0; i < table.size();) {
    const unsigned kind = table[i] >> 3 & 15;
    end += ((table[i] & 7u) + 1) * 2;
    const bool has_line = kind != 15;
    if (kind == 13 || kind == 14) line += signed_varint(table, i + 1);
    if (kind == 11 || kind == 12) line += kind - 10;
    if (offset < end) return has_line ? to_line(line) : 0;
    do ++i;
    while (i < table.size() && !(table[i] & 0x80));
  }
  return 0;
}

}  // namespace

std::uint32_t line_of(memray_line_table kind, Table table, std::uint32_t first_line, std::uint32_t offset) {
  if (offset == kBeforeFirstInstruction) return first_line;
  switch (kind) {
    case MEMRAY_LINES_LNOTAB:
      return from_lnotab(table, first_line, offset);
    case MEMRAY_LINES_PEP626:
      return from_ranges(table, first_line, offset);
    case MEMRAY_LINES_LOCATIONS:
      return from_locations(table, first_line, offset);
    case MEMRAY_LINES_NONE:
      break;
  }
  return 0;
}

}  // namespace memray
