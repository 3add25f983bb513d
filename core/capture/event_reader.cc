// A pass over the events that its user pulls, a batch at a time.

#include "capture/capture_state.h"

namespace memray {

struct EventReader::State {
  State(Capture::State& c, Columns wanted) : capture(c), columns(wanted), decoder(c.definitions, wanted) {}

  Capture::State& capture;
  Columns columns;
  format::EventDecoder decoder;
  format::EventSections sections;
  std::vector<Event> batch;
  std::size_t block = 0;
  bool begun = false;  // `block` is
  bool ended = false;

  void begin();
  void fill();
  void require(bool sound);
};

void EventReader::State::require(bool sound) {
  if (sound) return;
  capture.note_malformed(capture.events_blocks[block]);
  ended = true;
}

void EventReader::State::begin() {
  const std::size_t blocks = capture.events_blocks.size();
  ended = block == blocks;
  capture.report(ended ? 1 : static_cast<double>(block) / static_cast<double>(blocks));
  if (ended) return;
  const format::BlockPlace& place = capture.events_blocks[block];
  begun = true;
  require(capture.read_events(place, columns, sections) && decoder.begin(place.header.summary, sections));
}

void EventReader::State::fill() {
  require(decoder.next(batch));
  if (!batch.empty()) return;
  begun = false;
  ++block;
}

EventReader::EventReader(const Capture& capture, Columns columns)
    : state_(std::make_unique<State>(capture.state(), columns)) {
  capture.require_events();
}
EventReader::~EventReader() = default;
EventReader::EventReader(EventReader&&) noexcept = default;
EventReader& EventReader::operator=(EventReader&&) noexcept = default;

std::span<const Event> EventReader::next() {
  State& s = *state_;
  s.batch.clear();
  while (s.batch.empty() && !s.ended) {
    if (s.begun)
      s.fill();
    else
      s.begin();
  }
  return s.batch;
}

}  // namespace memray
