// Tables of numbers in a section, column by column, either as they are or as the difference from the row before.
//
// What is defined together is alike: lines of one function, stacks that grow from one another, sites of one stack.
// Differences are small numbers then, the same ones again and again, and in a column of its own each kind of number
// compresses to a fraction of a byte.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "capture/varint.h"

namespace memray::format {

template <std::size_t N>
using Row = std::array<std::uint64_t, N>;

// Which columns are differences: bit 0 for the first.
using Differences = unsigned;

template <std::size_t N>
void write_rows(ByteWriter& out, std::size_t first, const std::vector<Row<N>>& rows, Differences differences) {
  out.varint(first);
  out.varint(rows.size());
  for (std::size_t column = 0; column < N; ++column) {
    const bool difference = (differences >> column & 1) != 0;
    std::uint64_t previous = 0;
    for (const Row<N>& row : rows) {
      out.varint(difference ? encode_delta(row[column], previous) : row[column]);
      previous = row[column];
    }
  }
}

// Hands each row to `add` until that returns false. False if it did, or if this is no table that begins with the row
// number `first`.
template <std::size_t N, typename Add>
bool read_rows(std::span<const std::byte> raw, std::size_t first, Differences differences, Add add) {
  ByteReader in(raw);
  if (in.varint() != first) return false;
  const std::uint64_t count = in.varint();
  if (!in.ok() || count > in.remaining() / N) return false;
  std::vector<Row<N>> rows(count);
  for (std::size_t column = 0; column < N; ++column) {
    const bool difference = (differences >> column & 1) != 0;
    std::uint64_t previous = 0;
    for (Row<N>& row : rows) {
      const std::uint64_t code = in.varint();
      row[column] = previous = difference ? apply_delta(previous, code) : code;
    }
  }
  return in.ok() && in.at_end() && std::ranges::all_of(rows, add);
}

}  // namespace memray::format
