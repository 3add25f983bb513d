#include "capture/block_writer.h"

#include <algorithm>

#include "capture/samples_codec.h"

namespace memray::format {
namespace {

constexpr std::size_t kFewBlocks = 16;  // are found without an index

}  // namespace

void BlockWriter::write(BlockKind kind, std::span<const std::byte> bytes) {
  offset_ += bytes.size();
  emit_({kind, bytes});
}

// An entry of the index is where the block is and its header.
void BlockWriter::add(BlockKind kind, std::span<const std::byte> block) {
  index_.u64(offset_);
  index_.raw(block.data(), block_header_size(block));
  ++blocks_;
  write(kind, block);
}

ByteWriter BlockWriter::metadata_block(BlockKind kind, const Metadata& metadata) {
  ByteWriter out;
  metadata_.write(out, metadata);
  BlockBuilder block(kind, compression_);
  block.add_section(SectionId::metadata, out.bytes());
  return block.finish();
}

void BlockWriter::begin(const Metadata& metadata) {
  ByteWriter out;
  out.raw(kSignature.data(), kSignature.size());
  out.u16(kMajor);
  out.u16(kMinor);
  out.u32(0);
  const ByteWriter block = metadata_block(BlockKind::header, metadata);
  index_.u64(out.size());
  index_.raw(block.bytes().data(), block_header_size(block.bytes()));
  out.raw(block.bytes().data(), block.size());
  write(BlockKind::header, out.bytes());
}

void BlockWriter::add_metadata(const Metadata& metadata) {
  add(BlockKind::header, metadata_block(BlockKind::header, metadata).bytes());
}

void BlockWriter::add_samples(std::span<const MemorySample> samples) {
  if (samples.empty()) return;
  ByteWriter out;
  write_samples(out, samples);
  BlockBuilder block(BlockKind::samples, compression_);
  block.add_section(SectionId::samples, out.bytes());
  out.clear();
  write_sample_details(out, samples);
  block.add_section(SectionId::sample_details, out.bytes());
  add(BlockKind::samples, block.finish().bytes());
}

void BlockWriter::finish(const Metadata& metadata) {
  Tail tail;
  if (blocks_ > kFewBlocks) {
    tail.index_offset = offset_;
    BlockBuilder index(BlockKind::index, compression_);
    add_sections(index, SectionId::index, index_.bytes());
    write(BlockKind::index, index.finish().bytes());
  }
  tail.trailer_offset = offset_;
  ByteWriter end = metadata_block(BlockKind::trailer, metadata);
  write_tail(end, tail);
  write(BlockKind::trailer, end.bytes());
}

void add_sections(BlockBuilder& block, SectionId id, std::span<const std::byte> raw) {
  while (!raw.empty()) {
    const std::size_t part = std::min<std::size_t>(raw.size(), kMaxSectionBytes);
    block.add_section(id, raw.first(part));
    raw = raw.subspan(part);
  }
}

}  // namespace memray::format
