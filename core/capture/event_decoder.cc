#include "capture/event_decoder.h"

#include "capture/columns.h"

namespace memray::format {
namespace {

constexpr std::size_t kBatch = 4096;

constexpr bool wants(Columns columns, Columns column) { return has(columns, column); }

}  // namespace

struct EventDecoder::Cursor {
  Cursor(const EventSections& s, std::uint64_t count)
      : events(count),
        tokens(s.events.bytes()),
        threads(s.threads.bytes()),
        addresses(s.address_codes.bytes(), s.address_deltas.bytes()),
        times(s.times.bytes()) {}

  std::uint64_t events;  // in the block
  ByteReader tokens;
  ThreadColumnReader threads;
  AddressColumnReader addresses;
  TimeColumnReader times;
  std::uint64_t previous_site = 0;
  std::uint64_t reference = 0;  // what deallocations are told from
  std::uint64_t position = 0;   // events before this one in the block

  bool ok() const { return tokens.ok() && threads.ok() && addresses.ok() && times.ok(); }
};

bool EventDecoder::begin_allocation(Cursor& in, Event& event, std::uint64_t site_delta) {
  const std::uint64_t number = apply_delta(in.previous_site, site_delta);
  if (number >= definitions_.sites()) return false;
  in.previous_site = number;
  event.site = SiteId{static_cast<std::uint32_t>(number)};
  const Site& site = definitions_.site(event.site);
  event.kind = Event::Kind::allocation;
  event.allocator = site.allocator;
  event.number = live_.next_number();
  event.size += site.size;  // one of the two is 0
  if (wants(columns_, Columns::address)) event.address = in.addresses.allocation(event.allocator, event.size);
  live_.append({event.address, event.size, index(event.site)});
  in.reference = live_.next_number();
  return true;
}

bool EventDecoder::end_allocation(Cursor& in, Event& event, std::uint64_t number_delta) {
  event.number = in.reference = apply_delta(in.reference, number_delta);
  if (event.number < first_known_) {
    event.kind = Event::Kind::unknown_deallocation;
    return true;
  }
  const LiveAllocation* const allocation = live_.find(event.number);
  if (allocation == nullptr) return false;
  event.kind = Event::Kind::deallocation;
  event.site = SiteId{allocation->site};
  event.allocator = deallocator_of(definitions_.site(event.site).allocator);
  event.size = allocation->size;
  event.address = allocation->address;
  if (wants(columns_, Columns::address)) in.addresses.deallocation(event.allocator, event.size, event.address);
  live_.erase(event.number);
  return true;
}

void EventDecoder::drop_process(std::uint32_t process) {
  live_.erase_if([&](const LiveAllocation& allocation) {
    const ThreadId thread = definitions_.site(SiteId{allocation.site}).thread;
    return thread != kMergedThreads && index(definitions_.thread(thread).process) == process;
  });
}

bool EventDecoder::decode_extended(Cursor& in, Event& event) {
  const auto code = static_cast<Extended>(in.tokens.u8());
  switch (code) {
    case Extended::sized_allocation: {
      const std::uint64_t site_delta = in.tokens.varint();
      event.size = in.tokens.varint();
      const std::uint64_t site = apply_delta(in.previous_site, site_delta);
      if (site >= definitions_.sites() || definitions_.site(SiteId{static_cast<std::uint32_t>(site)}).fixed_size)
        return false;
      return begin_allocation(in, event, site_delta);
    }
    case Extended::partial_deallocation: {
      const std::uint64_t distance = in.tokens.varint();
      event.size = in.tokens.varint();
      event.pieces = in.tokens.varint32();
      if (distance > live_.next_number()) return false;
      event.kind = Event::Kind::partial_deallocation;
      event.number = live_.next_number() - distance;
      if (event.number < first_known_) {
        event.kind = Event::Kind::unknown_deallocation;
        return true;
      }
      LiveAllocation* const allocation = live_.find(event.number);
      if (allocation == nullptr || event.size >= allocation->size || event.pieces == 0) return false;
      allocation->size -= event.size;
      event.site = SiteId{allocation->site};
      event.allocator = deallocator_of(definitions_.site(event.site).allocator);
      if (wants(columns_, Columns::address)) event.address = in.addresses.other(event.size);
      return true;
    }
    case Extended::unknown_deallocation:
      event.kind = Event::Kind::unknown_deallocation;
      event.allocator = static_cast<Allocator>(in.tokens.u8());
      event.size = in.tokens.varint();
      if (wants(columns_, Columns::address)) event.address = in.addresses.other(event.size);
      return true;
    case Extended::process_exec:
    case Extended::process_exit:
      event.kind = code == Extended::process_exec ? Event::Kind::process_exec : Event::Kind::process_exit;
      event.index = in.tokens.varint32();
      event.size = in.tokens.varint();
      if (event.index >= definitions_.processes()) return false;
      drop_process(event.index);
      return true;
  }
  return false;
}

bool EventDecoder::decode_event(Cursor& in, Event& event) {
  const std::uint64_t token = in.tokens.varint();
  ThreadId expected = in.threads.previous();
  if ((token & 1) != 0) {
    if (!begin_allocation(in, event, token >> 1)) return false;
    if (!definitions_.site(event.site).fixed_size) return false;
  } else if (token != 0) {
    if (!end_allocation(in, event, token >> 1)) return false;
  } else if (!decode_extended(in, event)) {
    return false;
  }
  if (wants(columns_, Columns::thread)) {
    if (event.kind == Event::Kind::allocation) expected = definitions_.site(event.site).thread;
    event.thread = in.threads.read(in.position, expected);
  }
  if (wants(columns_, Columns::time)) event.time = Time{in.times.read(in.position) * kTimeUnit};
  ++in.position;
  return in.ok();
}

void EventDecoder::begin_at(const EventsSummary& block) {
  first_known_ = block.first_allocation;
  live_.begin_at(first_known_);
}

bool EventDecoder::begin(const EventsSummary& summary, const EventSections& sections) {
  if (summary.first_allocation != live_.next_number()) return false;
  cursor_ = std::make_unique<Cursor>(sections, summary.events);
  cursor_->reference = live_.next_number();
  return true;
}

bool EventDecoder::next(std::vector<Event>& batch) {
  Cursor& in = *cursor_;
  live_.prepare(kBatch);
  for (std::size_t i = 0; i < kBatch && in.position < in.events; ++i) {
    if (decode_event(in, batch.emplace_back())) continue;
    batch.pop_back();
    return false;
  }
  return in.position < in.events || in.tokens.at_end();
}

EventDecoder::EventDecoder(const Definitions& definitions, Columns columns)
    : definitions_(definitions), columns_(columns) {}
EventDecoder::~EventDecoder() = default;

}  // namespace memray::format
