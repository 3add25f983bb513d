// From events to blocks.
//
// An event is one number, mostly of one byte. Programs allocate at few places at a time, so an allocation is the
// distance of its site's number from that of the allocation before. Memory is freed soon after it was allocated, or
// together with what was allocated beside it, so a deallocation is the distance of its allocation's number from the one
// that the event before was about: half the bytes, after compression, of saying how many allocations ago that was. What
// only some readers want (addresses, threads, times) goes to columns of its own: they are compressed apart and cost
// nothing to who skips them.
//
// Every block starts from a fixed state, so a reader may begin at any of them; what a block does to the sum of live
// bytes stands in its header, so finding the peak needs no events at all.
#include "capture/encoder.h"

#include <algorithm>
#include <string>

#include "capture/aggregates_codec.h"
#include "capture/block_writer.h"
#include "capture/columns.h"
#include "capture/definitions_codec.h"
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

  // The events block under construction.
  EventsSummary summary;
  ByteWriter tokens;
  std::uint64_t previous_site = 0;
  std::uint64_t reference = 0;  // the number of the allocation that the next deallocation is told from
  ThreadColumnWriter threads;
  AddressColumnWriter addresses;
  TimeColumnWriter times;
  Time mark{};  // of the event before

  std::vector<MemorySample> samples;
  ObjectsWriter objects;
  std::optional<Metadata> metadata_update;

  void write_definitions() {
    for (;;) {
      BlockBuilder block(BlockKind::definitions, options.compress);
      definitions_writer.write(block);
      if (block.empty()) return;
      out.add(BlockKind::definitions, block.finish().bytes());
    }
  }

  void write_events() {
    if (summary.events == 0) return;
    BlockBuilder block(BlockKind::events, options.compress);
    block.add_section(SectionId::events, tokens.bytes());
    block.add_section(SectionId::event_threads, threads.bytes());
    block.add_section(SectionId::address_codes, addresses.codes());
    block.add_section(SectionId::address_deltas, addresses.deltas());
    block.add_section(SectionId::times, times.bytes());
    out.add(BlockKind::events, block.finish(&summary).bytes());

    EventsSummary next;
    next.first_event = summary.first_event + summary.events;
    next.first_allocation = summary.first_allocation + summary.allocations;
    next.live_before = next.live_after = summary.live_after;
    summary = next;
    tokens.clear();
    previous_site = 0;
    reference = next.first_allocation;
    threads = {};
    addresses.clear();
    times = {};
  }

  void write_objects() {
    if (objects.size() == 0) return;
    BlockBuilder block(BlockKind::objects, options.compress);
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
    std::uint64_t live = summary.live_after;
    ThreadId expected_thread = threads.previous();
    switch (event.kind) {
      case Event::Kind::allocation: {
        const SiteKind site = kind_of(event.site);
        expected_thread = site.thread;
        const std::uint64_t delta = encode_delta(memray::index(event.site), previous_site);
        previous_site = memray::index(event.site);
        if (site.fixed_size) [[likely]] {
          tokens.varint(delta << 1 | 1);
        } else {
          extended(Extended::sized_allocation);
          tokens.varint(delta);
          tokens.varint(event.size);
        }
        addresses.allocation(event.size, event.address);
        reference = event.number + 1;
        ++summary.allocations;
        summary.allocated_bytes += event.size;
        live += event.size;
        break;
      }
      case Event::Kind::deallocation:
        tokens.varint(encode_delta(event.number, reference) << 1);
        reference = event.number;
        addresses.deallocation(event.size, event.address);
        ++summary.deallocations;
        live -= event.size;
        break;
      case Event::Kind::partial_deallocation:
        extended(Extended::partial_deallocation);
        tokens.varint(distance(event));
        tokens.varint(event.size);
        tokens.varint(event.pieces);
        addresses.other(event.size, event.address);
        live -= event.size;
        break;
      case Event::Kind::unknown_deallocation:
        extended(Extended::unknown_deallocation);
        tokens.varint(static_cast<std::uint64_t>(event.allocator));
        tokens.varint(event.size);
        addresses.other(event.size, event.address);
        ++summary.unknown_deallocations;
        break;
      case Event::Kind::process_exec:
      case Event::Kind::process_exit:
        extended(event.kind == Event::Kind::process_exec ? Extended::process_exec : Extended::process_exit);
        tokens.varint(event.index);
        tokens.varint(event.size);
        live -= event.size;
        break;
    }
    threads.add(summary.events, event.thread, expected_thread);
    note_time(event.time);
    summary.live_after = live;
    if (live >= summary.live_peak) {
      summary.live_peak = live;
      summary.peak_event = summary.events;
    }
    ++summary.events;
    if (tokens.size() >= options.block_bytes) flush();
  }

  SiteKind kind_of(SiteId id) {
    if (memray::index(id) >= sites.size()) [[unlikely]] {
      for (std::size_t i = sites.size(); i < definitions.sites(); ++i) {
        const Site& site = definitions.site(SiteId{static_cast<std::uint32_t>(i)});
        sites.push_back({site.thread, site.fixed_size});
      }
    }
    return sites[memray::index(id)];
  }

  void extended(Extended code) {
    tokens.varint(0);
    tokens.varint(static_cast<std::uint64_t>(code));
  }

  std::uint64_t distance(const Event& event) const {
    return summary.first_allocation + summary.allocations - event.number;
  }

  void note_time(Time time) {
    if (summary.events != 0 && time >= mark && nanoseconds(time) - nanoseconds(mark) < kTimeUnit) [[likely]]
      return;
    mark = marked(time);
    times.add(summary.events, time_units(time));
    const std::int64_t ns = nanoseconds(mark);
    summary.first_time = summary.events == 0 ? ns : std::min(summary.first_time, ns);
    summary.last_time = summary.events == 0 ? ns : std::max(summary.last_time, ns);
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
  BlockBuilder block(BlockKind::aggregates, state_->options.compress);
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

std::size_t Encoder::pending_bytes() const { return state_->tokens.size(); }

void Encoder::flush() { state_->flush(); }

void Encoder::finish(const Metadata& metadata) {
  State& s = *state_;
  s.metadata_update.reset();
  s.flush();
  s.out.finish(metadata);
}

std::uint64_t Encoder::bytes_written() const { return state_->out.offset(); }

}  // namespace memray
