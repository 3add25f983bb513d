#include "capture/aggregated_file.h"

#include <algorithm>

#include "capture/aggregates_codec.h"
#include "capture/block_writer.h"

namespace memray::format {

void add_definition_blocks(DefinitionsWriter& writer, Compression& compression, std::vector<ByteWriter>& blocks) {
  for (;;) {
    BlockBuilder block(BlockKind::definitions, compression);
    writer.write(block);
    if (block.empty()) return;
    blocks.push_back(block.finish());
  }
}

void write_aggregated(const AggregatedFile& file, std::span<const ByteWriter> definition_blocks,
                      const std::function<void(const Block&)>& emit) {
  Metadata metadata = file.metadata;
  metadata.aggregated = true;
  metadata.end = std::max(metadata.end, file.aggregates.end);
  metadata.unknown_deallocations = file.aggregates.unknown_deallocations;

  BlockWriter out(true, emit);
  out.begin(metadata);
  for (const ByteWriter& block : definition_blocks) out.add(BlockKind::definitions, block.bytes());
  BlockBuilder block(BlockKind::aggregates, out.compression());
  write_aggregates(block, file.aggregates, file.definitions);
  out.add(BlockKind::aggregates, block.finish().bytes());
  out.add_samples(file.samples);
  out.finish(metadata);
}

void write_aggregated(const AggregatedFile& file, const std::function<void(const Block&)>& emit) {
  DefinitionsWriter writer(file.definitions);
  Compression compression(true);
  std::vector<ByteWriter> blocks;
  add_definition_blocks(writer, compression, blocks);
  write_aggregated(file, blocks, emit);
}

}  // namespace memray::format
