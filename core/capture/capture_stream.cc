#include <memray/capture_stream.h>

#include <algorithm>

#include "capture/encoder.h"
#include "capture/live_allocations.h"
#include "capture/sample_thinner.h"

namespace memray {

struct RecordingState::State {
  State(const Definitions& d, const Metadata& m) : definitions(d), metadata(m), sums(d), live(d) {}

  const Definitions& definitions;
  Metadata metadata;
  Aggregator sums;
  LiveAllocations live;
  SampleThinner samples;
  Time latest{};
};

RecordingState::RecordingState(const Definitions& definitions, const Metadata& metadata)
    : state_(std::make_unique<State>(definitions, metadata)) {}
RecordingState::~RecordingState() = default;

void RecordingState::events(std::span<const Event> events) {
  if (events.empty()) return;
  state_->sums.add(events);
  state_->live.add(events);
  state_->latest = events.back().time;
}

void RecordingState::sample(const MemorySample& sample) { state_->samples.add(sample); }
void RecordingState::update_metadata(const Metadata& metadata) { state_->metadata = metadata; }

struct CaptureStream::State {
  std::unique_ptr<Encoder> encoder;
  Numbering numbering;
  Time events_from{};
  std::vector<Event> renumbered;

  Metadata of_this_stream(Metadata metadata) const {
    metadata.events_from = events_from;
    return metadata;
  }
};

CaptureStream::CaptureStream(RecordingState& before, Emit emit) : state_(std::make_unique<State>()) {
  RecordingState::State& known = *before.state_;
  State& s = *state_;
  const bool begun = known.sums.events() != 0;
  if (begun) s.events_from = known.latest;
  s.encoder =
      std::make_unique<Encoder>(known.definitions, s.of_this_stream(known.metadata), EncoderOptions{}, std::move(emit));
  if (begun) s.numbering = known.live.restate(known.sums.aggregates(), *s.encoder).numbering;
  for (const MemorySample& sample : known.samples.samples()) s.encoder->sample(sample);
  s.encoder->flush();
}
CaptureStream::~CaptureStream() = default;

void CaptureStream::events(std::span<const Event> events) {
  State& s = *state_;
  s.renumbered.assign(events.begin(), events.end());
  for (Event& event : s.renumbered) event.number = s.numbering.number(event.number);
  s.encoder->events(s.renumbered);
}

void CaptureStream::sample(const MemorySample& sample) { state_->encoder->sample(sample); }

void CaptureStream::update_metadata(const Metadata& metadata) {
  state_->encoder->update_metadata(state_->of_this_stream(metadata));
}

void CaptureStream::flush() { state_->encoder->flush(); }

void CaptureStream::finish(const Metadata& metadata) { state_->encoder->finish(state_->of_this_stream(metadata)); }

}  // namespace memray
