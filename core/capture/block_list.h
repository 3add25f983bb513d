// Finding the blocks of a capture: through its index, or where that is missing by walking from header to header.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "capture/format.h"

namespace memray::format {

// A file opened for reading, or bytes in memory that are read like one. Reading past its end, or failing to read,
// yields fewer bytes.
class File {
 public:
  explicit File(const std::string& path);  // throws CaptureError
  explicit File(std::span<const std::byte> bytes) { show(bytes); }
  ~File();
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  // From now on it consists of these, which live as long as they are read.
  void show(std::span<const std::byte> bytes) {
    memory_ = bytes;
    size_ = bytes.size();
  }

  std::uint64_t size() const { return size_; }
  // The bytes of [offset, offset + count) that exist, in `buffer`.
  std::span<const std::byte> read(std::uint64_t offset, std::size_t count, ByteWriter& buffer) const;

 private:
  int fd_ = -1;  // -1: it is `memory_`
  std::span<const std::byte> memory_;
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
