// Finding the blocks of a capture: through its index, or where that is missing by walking from header to header.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "capture/format.h"

namespace memray::format {

// A file opened for reading. Reading past its end, or failing to read, yields fewer bytes.
class File {
 public:
  explicit File(const std::string& path);  // throws CaptureError
  ~File();
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  std::uint64_t size() const { return size_; }
  // The bytes of [offset, offset + count) that exist, in `buffer`.
  std::span<const std::byte> read(std::uint64_t offset, std::size_t count, ByteWriter& buffer) const;

 private:
  int fd_ = -1;
  std::uint64_t size_ = 0;
};

struct BlockPlace {
  std::uint64_t offset = 0;
  BlockHeader header;
  std::uint64_t end() const { return offset + header.block_size(); }
};

struct BlockList {
  std::vector<BlockPlace> blocks;  // header, definitions, events and samples blocks, in order
  std::optional<BlockPlace> trailer;
  std::string damage;  // one line; empty if all was found
};

BlockList list_blocks(const File& file);

}  // namespace memray::format
