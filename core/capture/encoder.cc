// From events to blocks. What an events block is made of is in events_writer.h.
#include "capture/encoder.h"

#include <algorithm>
#include <string>

#include "capture/aggregates_codec.h"
#include "capture/block_writer.h"
#include "capture/definitions_codec.h"
#include "capture/events_writer.h"
#include "capture/format.h"
#include "capture/objects_codec.h"

namespace memray {
namespace {

using namespace format;

constexpr std::size_t kSamplesPerBlock = 4096;
constexpr std::size_t kLargestBlock = std::size_t{4} << 20;  // far from kMaxSectionBytes, whatever the columns take

}  // namespace

struct Encoder::State {
  State(const Definitions& d, const EncoderOptions& o, std::function<void(const Block&)> emit)
      : definitions(d), options(o), out(o.compress, std::move(emit)), definitions_writer(d) {
    options.block_bytes = std::min(options.block_bytes, kLargestBlock);
  }

  const Definitions& definitions;
  EncoderOptions options;
  BlockWriter out;
  DefinitionsWriter definitions_writer;

  // What of a site the inner loop needs.
  struct SiteKind {
    ThreadId thread{};
    bool fixed_size = true;
  };
  std::vector<SiteKind> sites;

  EventsWriter events;
  std::vector<MemorySample> samples;
  ObjectsWriter objects;
  std::optional<Metadata> metadata_update;

  void write_definitions() {
    for (;;) {
      BlockBuilder block(BlockKind::definitions, out.compression());
      definitions_writer.write(block);
      if (block.empty()) return;
      out.add(BlockKind::definitions, block.finish().bytes());
    }
  }

  void write_events() {
    if (events.events() == 0) return;
    BlockBuilder block(BlockKind::events, out.compression());
    const EventsSummary summary = events.finish(block);
    out.add(BlockKind::events, block.finish(&summary).bytes());
  }

  void write_objects() {
    if (objects.size() == 0) return;
    BlockBuilder block(BlockKind::objects, out.compression());
    block.add_section(SectionId::objects, objects.take().bytes());
    out.add(BlockKind::objects, block.finish().bytes());
  }

  void flush() {
    if (metadata_update) out.add_metadata(*metadata_update);
    metadata_update.reset();
    write_definitions();
    write_events();
    write_objects();
    out.add_samples(samples);
    samples.clear();
  }

  void add(const Event& event) {
    const SiteKind site = event.kind == Event::Kind::allocation ? kind_of(event.site) : SiteKind{};
    events.add(event, site.thread, site.fixed_size);
    if (full()) flush();
  }

  bool full() const { return events.bytes() >= options.block_bytes; }

  SiteKind kind_of(SiteId id) {
    if (memray::index(id) >= sites.size()) [[unlikely]] {
      for (std::size_t i = sites.size(); i < definitions.sites(); ++i) {
        const Site& site = definitions.site(SiteId{static_cast<std::uint32_t>(i)});
        sites.push_back({site.thread, site.fixed_size});
      }
    }
    return sites[memray::index(id)];
  }
};

Encoder::Encoder(const Definitions& definitions, const Metadata& metadata, const EncoderOptions& options,
                 std::function<void(const Block&)> emit)
    : state_(std::make_unique<State>(definitions, options, std::move(emit))) {
  state_->out.begin(metadata);
}
Encoder::~Encoder() = default;

void Encoder::aggregates(const Aggregates& aggregates) {
  state_->flush();
  BlockBuilder block(BlockKind::aggregates, state_->out.compression());
  write_aggregates(block, aggregates, state_->definitions);
  state_->out.add(BlockKind::aggregates, block.finish().bytes());
}

void Encoder::events(std::span<const Event> events) {
  for (const Event& event : events) state_->add(event);
}

void Encoder::sample(const MemorySample& sample) {
  state_->samples.push_back(sample);
  if (state_->samples.size() >= kSamplesPerBlock) state_->flush();
}

void Encoder::objects(std::span<const ObjectEvent> events) {
  for (const ObjectEvent& event : events) state_->objects.add(event);
  if (state_->objects.size() >= state_->options.block_bytes) state_->flush();
}

void Encoder::update_metadata(const Metadata& metadata) { state_->metadata_update = metadata; }

EventsWriter& Encoder::writer() { return state_->events; }

void Encoder::flush_if_full() {
  if (state_->full()) state_->flush();
}

std::size_t Encoder::pending_bytes() const { return state_->events.bytes(); }

void Encoder::flush() { state_->flush(); }

void Encoder::finish(const Metadata& metadata) {
  State& s = *state_;
  s.metadata_update.reset();
  s.flush();
  s.out.finish(metadata);
}

std::uint64_t Encoder::bytes_written() const { return state_->out.offset(); }

}  // namespace memray
