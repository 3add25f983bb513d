// CRC-32 with the polynomial of zlib, gzip and PNG, so that a reader in any language has it at hand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace memray::format {

std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t previous = 0);

}  // namespace memray::format
