#include <memray/aggregate_encoder.h>

#include "capture/aggregates_codec.h"
#include "capture/block_writer.h"
#include "capture/definitions_codec.h"
#include "capture/sample_thinner.h"

namespace memray {

using namespace format;

struct AggregateEncoder::State {
  explicit State(const Definitions& d) : definitions(d), aggregator(d), definitions_writer(d) {}

  const Definitions& definitions;
  Aggregator aggregator;
  SampleThinner samples;
  // Definitions only ever grow: their blocks are made once and written every time.
  DefinitionsWriter definitions_writer;
  Compression compression{true};
  std::vector<ByteWriter> definition_blocks;

  void make_definition_blocks() {
    for (;;) {
      BlockBuilder block(BlockKind::definitions, compression);
      definitions_writer.write(block);
      if (block.empty()) return;
      definition_blocks.push_back(block.finish());
    }
  }
};

AggregateEncoder::AggregateEncoder(const Definitions& definitions) : state_(std::make_unique<State>(definitions)) {}
AggregateEncoder::~AggregateEncoder() = default;

void AggregateEncoder::events(std::span<const Event> events) { state_->aggregator.add(events); }
void AggregateEncoder::sample(const MemorySample& sample) { state_->samples.add(sample); }
std::uint64_t AggregateEncoder::events_seen() const { return state_->aggregator.events(); }

void AggregateEncoder::write(const Metadata& known, const std::function<void(const Block&)>& emit) {
  State& s = *state_;
  Metadata metadata = known;
  metadata.aggregated = true;
  const Aggregates aggregates = s.aggregator.aggregates();
  metadata.end = std::max(metadata.end, aggregates.end);
  metadata.unknown_deallocations = aggregates.unknown_deallocations;

  s.make_definition_blocks();
  BlockWriter out(true, emit);
  out.begin(metadata);
  for (const ByteWriter& block : s.definition_blocks) out.add(BlockKind::definitions, block.bytes());
  BlockBuilder block(BlockKind::aggregates, out.compression());
  write_aggregates(block, aggregates, s.definitions);
  out.add(BlockKind::aggregates, block.finish().bytes());
  out.add_samples(s.samples.samples());
  out.finish(metadata);
}

}  // namespace memray
