#include <memray/aggregate_encoder.h>

#include "capture/aggregated_file.h"
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

  void make_definition_blocks() { add_definition_blocks(definitions_writer, compression, definition_blocks); }
};

AggregateEncoder::AggregateEncoder(const Definitions& definitions) : state_(std::make_unique<State>(definitions)) {}
AggregateEncoder::~AggregateEncoder() = default;

void AggregateEncoder::events(std::span<const Event> events) { state_->aggregator.add(events); }
void AggregateEncoder::sample(const MemorySample& sample) { state_->samples.add(sample); }
std::uint64_t AggregateEncoder::events_seen() const { return state_->aggregator.events(); }

void AggregateEncoder::write(const Metadata& metadata, const std::function<void(const Block&)>& emit) {
  State& s = *state_;
  s.make_definition_blocks();
  write_aggregated({metadata, s.definitions, s.aggregator.aggregates(), s.samples.samples()}, s.definition_blocks,
                   emit);
}

}  // namespace memray
