#include "capture/events_writer.h"

namespace memray::format {

void EventsWriter::add(const Event& event, ThreadId site_thread, bool fixed_size) {
  time(event.time);
  switch (event.kind) {
    case Event::Kind::allocation:
      threads_.add(summary_.events, event.thread, site_thread);
      site_token(event.site, fixed_size, event.size);
      addresses_.allocation(event.allocator, event.size, event.address);
      return began(event.size);
    case Event::Kind::deallocation:
      return deallocation(event.number, event.thread, event.allocator, event.size, event.address);
    case Event::Kind::partial_deallocation:
      extended(Extended::partial_deallocation);
      tokens_.varint(summary_.first_allocation + summary_.allocations - event.number);
      tokens_.varint(event.size);
      tokens_.varint(event.pieces);
      addresses_.other(event.size, event.address);
      break;
    case Event::Kind::unknown_deallocation:
      extended(Extended::unknown_deallocation);
      tokens_.varint(static_cast<std::uint64_t>(event.allocator));
      tokens_.varint(event.size);
      addresses_.other(event.size, event.address);
      ++summary_.unknown_deallocations;
      break;
    case Event::Kind::process_exec:
    case Event::Kind::process_exit:
      extended(event.kind == Event::Kind::process_exec ? Extended::process_exec : Extended::process_exit);
      tokens_.varint(event.index);
      tokens_.varint(event.size);
      break;
  }
  threads_.add(summary_.events, event.thread, threads_.previous());
  ended(event.kind == Event::Kind::unknown_deallocation ? 0 : event.size);
}

void EventsWriter::repeat(std::uint64_t size, std::uint64_t count) {
  if (count == 0) return;
  const std::uint64_t first = summary_.events;
  for (std::uint64_t i = 0; i < count; ++i) {
    tokens_.varint(1);                        // the place of the allocation before
    tokens_.varint(encode_delta(0, 1) << 1);  // what was allocated last
  }
  addresses_.repeat(count);
  summary_.allocations += count;
  summary_.deallocations += count;
  summary_.allocated_bytes += size * count;
  summary_.events += 2 * count;
  reference_ = summary_.first_allocation + summary_.allocations - 1;
  if (summary_.live_after + size >= summary_.live_peak) {
    summary_.live_peak = summary_.live_after + size;
    summary_.peak_event = first + 2 * count - (size == 0 ? 1 : 2);
  }
}

void EventsWriter::new_time(Time time) {
  mark_ = marked(time);
  times_.add(summary_.events, time_units(time));
  const std::int64_t ns = nanoseconds(mark_);
  summary_.first_time = summary_.events == 0 ? ns : std::min(summary_.first_time, ns);
  summary_.last_time = summary_.events == 0 ? ns : std::max(summary_.last_time, ns);
}

EventsSummary EventsWriter::finish(BlockBuilder& block) {
  block.add_section(SectionId::events, tokens_.bytes());
  block.add_section(SectionId::event_threads, threads_.bytes());
  block.add_section(SectionId::address_codes, addresses_.codes());
  block.add_section(SectionId::address_deltas, addresses_.deltas());
  block.add_section(SectionId::times, times_.bytes());
  const EventsSummary finished = summary_;
  summary_ = {};
  summary_.first_event = finished.first_event + finished.events;
  summary_.first_allocation = finished.first_allocation + finished.allocations;
  summary_.live_before = summary_.live_after = finished.live_after;
  tokens_.clear();
  previous_site_ = 0;
  reference_ = summary_.first_allocation;
  threads_ = {};
  addresses_.clear();
  times_ = {};
  return finished;
}

}  // namespace memray::format
