// From events to blocks.
//
// An event is one number, mostly of one byte. Programs allocate at few places at a time, so an allocation is the
// distance of its site's number from that of the allocation before; memory that is freed tends to be young, so a
// deallocation is how many allocations ago it was made. What only some readers want (addresses, threads, times) goes to
// columns of its own: they are compressed apart and cost nothing to who skips them.
//
// Every block starts from a fixed state, so a reader may begin at any of them; what a block does to the sum of live
// bytes stands in its header, so finding the peak needs no events at all.
#include "capture/encoder.h"

#include <algorithm>
#include <string>

#include "capture/columns.h"
#include "capture/definitions_codec.h"
#include "capture/format.h"
#include "capture/metadata_codec.h"

namespace memray {
namespace {

using namespace format;

constexpr std::size_t kSamplesPerBlock = 4096;
constexpr std::size_t kLargestBlock = std::size_t{4} << 20;  // far from kMaxSectionBytes, whatever the columns take

std::int64_t time_units(Time time) {
  const std::int64_t ns = nanoseconds(time);
  return ns >= 0 ? ns / kTimeUnit : -((-ns + kTimeUnit - 1) / kTimeUnit);
}

}  // namespace

struct Encoder::State {
  State(const Definitions& d, const EncoderOptions& o, std::function<void(const Block&)> e)
      : definitions(d), options(o), emit(std::move(e)), definitions_writer(d) {
    options.block_bytes = std::min(options.block_bytes, kLargestBlock);
  }

  const Definitions& definitions;
  EncoderOptions options;
  std::function<void(const Block&)> emit;
  DefinitionsWriter definitions_writer;

  // The events block under construction.
  EventsSummary summary;
  ByteWriter tokens;
  std::uint64_t previous_site = 0;
  ThreadColumnWriter threads;
  AddressColumnWriter addresses;
  TimeColumnWriter times;

  std::vector<MemorySample> samples;
  std::optional<Metadata> metadata_update;

  ByteWriter index;
  std::uint64_t offset = 0;
  std::uint64_t unknown_deallocations = 0;

  void write(BlockKind kind, const ByteWriter& bytes) {
    offset += bytes.size();
    emit({kind, bytes.bytes()});
  }

  // An entry of the index is where the block is and its header.
  void write_indexed(BlockKind kind, const ByteWriter& block) {
    const std::size_t header_size = block_header_size(block.bytes());
    index.u64(offset);
    index.raw(block.bytes().data(), header_size);
    write(kind, block);
  }

  void write_file_header(const Metadata& metadata) {
    ByteWriter out;
    out.raw(kSignature.data(), kSignature.size());
    out.u16(kMajor);
    out.u16(kMinor);
    out.u32(0);
    const ByteWriter block = metadata_block(BlockKind::header, metadata);
    index.u64(out.size());
    index.raw(block.bytes().data(), block_header_size(block.bytes()));
    out.raw(block.bytes().data(), block.size());
    write(BlockKind::header, out);
  }

  ByteWriter metadata_block(BlockKind kind, const Metadata& metadata) const {
    ByteWriter out;
    write_metadata(out, metadata);
    BlockBuilder block(kind, options.compress);
    block.add_section(SectionId::metadata, out.bytes());
    return block.finish();
  }

  void write_definitions() {
    for (;;) {
      BlockBuilder block(BlockKind::definitions, options.compress);
      definitions_writer.write(block);
      if (block.empty()) return;
      write_indexed(BlockKind::definitions, block.finish());
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
    write_indexed(BlockKind::events, block.finish(&summary));

    EventsSummary next;
    next.first_event = summary.first_event + summary.events;
    next.first_allocation = summary.first_allocation + summary.allocations;
    next.live_before = next.live_after = summary.live_after;
    summary = next;
    tokens.clear();
    previous_site = 0;
    threads = {};
    addresses.clear();
    times = {};
  }

  void write_samples() {
    if (samples.empty()) return;
    ByteWriter out;
    MemorySample previous;
    for (const MemorySample& sample : samples) {
      out.varint(encode_delta(static_cast<std::uint64_t>(nanoseconds(sample.time)),
                              static_cast<std::uint64_t>(nanoseconds(previous.time))));
      out.varint(memray::index(sample.process));
      out.varint(encode_delta(sample.rss, previous.rss));
      out.varint(encode_delta(sample.heap, previous.heap));
      previous = sample;
    }
    BlockBuilder block(BlockKind::samples, options.compress);
    block.add_section(SectionId::samples, out.bytes());
    write_indexed(BlockKind::samples, block.finish());
    samples.clear();
  }

  void flush() {
    if (metadata_update) write_indexed(BlockKind::header, metadata_block(BlockKind::header, *metadata_update));
    metadata_update.reset();
    write_definitions();
    write_events();
    write_samples();
  }

  void add(const Event& event) {
    std::uint64_t live = summary.live_after;
    ThreadId expected_thread = threads.previous();
    switch (event.kind) {
      case Event::Kind::allocation: {
        const Site& site = definitions.site(event.site);
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
        ++summary.allocations;
        summary.allocated_bytes += event.size;
        live += event.size;
        break;
      }
      case Event::Kind::deallocation:
        tokens.varint(distance(event) << 1);
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
        ++unknown_deallocations;
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

  void extended(Extended code) {
    tokens.varint(0);
    tokens.varint(static_cast<std::uint64_t>(code));
  }

  std::uint64_t distance(const Event& event) const {
    return summary.first_allocation + summary.allocations - event.number;
  }

  void note_time(Time time) {
    const std::int64_t units = time_units(time);
    times.add(summary.events, units);
    const std::int64_t ns = units * kTimeUnit;
    summary.first_time = summary.events == 0 ? ns : std::min(summary.first_time, ns);
    summary.last_time = summary.events == 0 ? ns : std::max(summary.last_time, ns);
  }
};

Encoder::Encoder(const Definitions& definitions, const Metadata& metadata, const EncoderOptions& options,
                 std::function<void(const Block&)> emit)
    : state_(std::make_unique<State>(definitions, options, std::move(emit))) {
  state_->write_file_header(metadata);
}
Encoder::~Encoder() = default;

void Encoder::events(std::span<const Event> events) {
  for (const Event& event : events) state_->add(event);
}

void Encoder::sample(const MemorySample& sample) {
  state_->samples.push_back(sample);
  if (state_->samples.size() >= kSamplesPerBlock) state_->flush();
}

void Encoder::update_metadata(const Metadata& metadata) { state_->metadata_update = metadata; }

void Encoder::flush() { state_->flush(); }

void Encoder::finish(const Metadata& metadata) {
  State& s = *state_;
  s.metadata_update.reset();
  s.flush();

  Tail tail;
  tail.index_offset = s.offset;
  BlockBuilder index(BlockKind::index, s.options.compress);
  for (std::span<const std::byte> rest = s.index.bytes(); !rest.empty();) {
    const std::size_t part = std::min<std::size_t>(rest.size(), kMaxSectionBytes);
    index.add_section(SectionId::index, rest.first(part));
    rest = rest.subspan(part);
  }
  s.write(BlockKind::index, index.finish());

  tail.trailer_offset = s.offset;
  ByteWriter end = s.metadata_block(BlockKind::trailer, metadata);
  write_tail(end, tail);
  s.write(BlockKind::trailer, end);
}

std::uint64_t Encoder::bytes_written() const { return state_->offset; }

}  // namespace memray
