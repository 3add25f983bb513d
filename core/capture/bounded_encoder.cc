// Folding renumbers allocations, see live_allocations.h; numbers are translated when they are written, and back when
// the file is read for the next fold.
#include <memray/bounded_encoder.h>

#include <algorithm>

#include "capture/aggregates.h"
#include "capture/capture_state.h"
#include "capture/encoder.h"
#include "capture/live_allocations.h"
#include "capture/sample_thinner.h"

namespace memray {
namespace {

constexpr std::size_t kSmallestBlock = 512;

// A file of half the limit is folded to one with a quarter of the limit in events. What is left over is for what is
// written besides, as both are there while it is done.
constexpr std::uint64_t kFull = 2;
constexpr std::uint64_t kKept = 4;

// Where what cannot be folded is large, a file may grow to so many times of what it was after the last time.
constexpr std::uint64_t kGrowth = 2;

}  // namespace

struct BoundedEncoder::State {
  State(const Definitions& d, const Metadata& m, std::uint64_t max, Emit emit)
      : definitions(d), metadata(m), max_bytes(max), folded(d), live(d), threshold(max / kFull) {
    begin(std::move(emit));
  }

  const Definitions& definitions;
  Metadata metadata;
  std::uint64_t max_bytes;
  std::unique_ptr<Encoder> encoder;
  SampleThinner samples;

  Numbering numbering;         // of the file
  Aggregator folded;           // all events that are not in the file any more
  LiveAllocations live;        // after these
  std::uint64_t restated = 0;  // events at the start of the file that are about `live`
  std::uint64_t threshold;

  void begin(Emit emit) {
    EncoderOptions options;
    options.block_bytes =
        std::max<std::size_t>(kSmallestBlock, std::min<std::uint64_t>(options.block_bytes, max_bytes / 32));
    encoder = std::make_unique<Encoder>(definitions, metadata, options, std::move(emit));
  }

  void write(Event event) {
    event.number = numbering.number(event.number);
    encoder->events({&event, 1});
  }

  void fold(const Event& event) {
    folded.add({&event, 1});
    live.add({&event, 1});
    metadata.events_from = std::max(metadata.events_from, event.time);
  }

  void restate() {
    auto restatement = live.restate(folded.aggregates(), *encoder);
    numbering = std::move(restatement.numbering);
    restated = restatement.events;
  }

  // How many events of the file are to be folded: whole blocks, so that a quarter of the limit is left.
  std::uint64_t events_to_fold(const Capture::State& file) const {
    std::uint64_t events = file.totals.events;
    if (file.aggregates) events -= file.aggregates->totals.events;
    std::uint64_t bytes = 0;
    for (auto block = file.events_blocks.rbegin(); block != file.events_blocks.rend(); ++block) {
      bytes += block->header.block_size();
      if (bytes > max_bytes / kKept) break;
      events = block->header.summary.first_event;
    }
    return std::max(events, restated);
  }

  Status fold_file(const std::string& path, Emit emit) {
    const Capture file(path);
    const std::uint64_t fold_until = events_to_fold(file.state());
    Numbering before = std::move(numbering);
    const std::uint64_t skipped = restated;
    std::uint64_t seen = 0;
    bool begun = false;
    const auto begin_new = [&] {
      begun = true;
      begin(emit);
      restate();
    };
    file.events(Columns::all, [&](std::span<const Event> events) {
      for (Event event : events) {
        event.number = before.original(event.number);
        if (seen >= fold_until) {
          if (!begun) begin_new();
          write(event);
        } else if (seen >= skipped) {
          fold(event);
        }
        ++seen;
      }
      return true;
    });
    if (!begun) begin_new();
    if (folded.events() + (seen - std::min(seen, fold_until)) != total_events)
      return Status::error("what was recorded could not be read back from " + path);
    for (const MemorySample& sample : samples.samples()) encoder->sample(sample);
    encoder->flush();
    threshold = std::max(max_bytes / kFull, encoder->bytes_written() * kGrowth);
    return {};
  }

  std::uint64_t total_events = 0;
};

BoundedEncoder::BoundedEncoder(const Definitions& definitions, const Metadata& metadata, std::uint64_t max_bytes,
                               Emit emit)
    : state_(std::make_unique<State>(definitions, metadata, max_bytes, std::move(emit))) {}
BoundedEncoder::~BoundedEncoder() = default;

void BoundedEncoder::events(std::span<const Event> events) {
  for (const Event& event : events) state_->write(event);
  state_->total_events += events.size();
}

void BoundedEncoder::sample(const MemorySample& sample) {
  state_->samples.add(sample);
  state_->encoder->sample(sample);
}

void BoundedEncoder::update_metadata(const Metadata& metadata) {
  const Time from = state_->metadata.events_from;
  state_->metadata = metadata;
  state_->metadata.events_from = from;
  state_->encoder->update_metadata(state_->metadata);
}

void BoundedEncoder::flush() { state_->encoder->flush(); }

void BoundedEncoder::finish(const Metadata& metadata) {
  update_metadata(metadata);
  state_->encoder->finish(state_->metadata);
}

bool BoundedEncoder::full() const { return state_->encoder->bytes_written() >= state_->threshold; }

Status BoundedEncoder::fold(const std::string& path, Emit emit) try {
  return state_->fold_file(path, std::move(emit));
} catch (const CaptureError& error) {
  return Status::error("what was recorded could not be read back: " + path + " " + error.what());
}

}  // namespace memray
