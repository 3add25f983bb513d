// A capture's bytes in the making: the file header, blocks and their index, the trailer.
#pragma once

#include <memray/capture.h>
#include <memray/sink.h>

#include <functional>
#include <span>

#include "capture/format.h"
#include "capture/metadata_codec.h"

namespace memray::format {

class BlockWriter {
 public:
  BlockWriter(bool compress, std::function<void(const Block&)> emit) : compression_(compress), emit_(std::move(emit)) {}

  Compression& compression() { return compression_; }
  std::uint64_t offset() const { return offset_; }

  void begin(const Metadata& metadata);
  // A block that the index lists.
  void add(BlockKind kind, std::span<const std::byte> block);
  void add_metadata(const Metadata& metadata);
  void add_samples(std::span<const MemorySample> samples);
  // Index, if there are blocks enough to need one, and trailer.
  void finish(const Metadata& metadata);

 private:
  ByteWriter metadata_block(BlockKind kind, const Metadata& metadata);
  void write(BlockKind kind, std::span<const std::byte> bytes);

  Compression compression_;
  std::function<void(const Block&)> emit_;
  MetadataWriter metadata_;
  ByteWriter index_;
  std::size_t blocks_ = 0;
  std::uint64_t offset_ = 0;
};

// Adds `raw` as sections of the same id, as many as its size asks for.
void add_sections(BlockBuilder& block, SectionId id, std::span<const std::byte> raw);

}  // namespace memray::format
