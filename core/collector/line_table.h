// From an instruction to a line of source.
#pragma once

#include <memray/unwinder.h>

#include <cstdint>
#include <span>

namespace memray {

// The offset in a frame word that stands for "before the first instruction".
inline constexpr std::uint32_t kBeforeFirstInstruction = 0xffff'ffff;

// The line of the instruction `offset` bytes into the bytecode of a code object whose first line is `first_line`.
// 0: the instruction belongs to no line, or the table says nothing about it. Any bytes are safe to pass as a table.
std::uint32_t line_of(memray_line_table kind, std::span<const std::uint8_t> table, std::uint32_t first_line,
                      std::uint32_t offset);

}  // namespace memray
