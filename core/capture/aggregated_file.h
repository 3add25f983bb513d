// The blocks of a capture without events: what a recording added up to.
#pragma once

#include <memray/capture.h>
#include <memray/sink.h>

#include <functional>
#include <span>
#include <vector>

#include "capture/aggregates.h"
#include "capture/definitions_codec.h"

namespace memray::format {

struct AggregatedFile {
  const Metadata& metadata;
  const Definitions& definitions;
  Aggregates aggregates;
  std::span<const MemorySample> samples;
};

// What `writer` has not written yet, as blocks.
void add_definition_blocks(DefinitionsWriter& writer, Compression& compression, std::vector<ByteWriter>& blocks);

void write_aggregated(const AggregatedFile& file, std::span<const ByteWriter> definition_blocks,
                      const std::function<void(const Block&)>& emit);
// With all definitions.
void write_aggregated(const AggregatedFile& file, const std::function<void(const Block&)>& emit);

}  // namespace memray::format
