#include "query/moment.h"

#include "capture/columns.h"

namespace memray {

using namespace format;

namespace {

constexpr std::int64_t floor_to_unit(std::int64_t ns) { return ns / kTimeUnit * kTimeUnit; }

// Whether the extended event behind the token, which is skipped, allocates.
bool skip_extended(ByteReader& in) {
  const auto code = static_cast<Extended>(in.u8());
  const int numbers = code == Extended::partial_deallocation ? 3 : 2;
  for (int i = 0; i < numbers; ++i) in.varint();
  return code == Extended::sized_allocation;
}

std::uint64_t allocations_among(std::span<const std::byte> section, std::uint64_t events) {
  ByteReader in(section);
  std::uint64_t allocations = 0;
  for (; events > 0 && in.ok(); --events) {
    const std::uint64_t token = in.varint();
    allocations += token == 0 ? skip_extended(in) : token & 1;
  }
  return allocations;
}

}  // namespace

Moment moment_at(const Capture::State& state, Time time) {
  state.require_events();
  for (std::size_t i = 0; i < state.events_blocks.size(); ++i) {
    const EventsSummary& block = state.events_blocks[i].header.summary;
    if (block.last_time <= nanoseconds(time)) continue;
    if (floor_to_unit(block.first_time) > nanoseconds(time)) return {i, 0};
    EventSections sections;
    if (!state.read_events(state.events_blocks[i], Columns::time, sections)) return {i, 0};
    TimeColumnReader times(sections.times.bytes());
    std::uint64_t events = 0;
    while (events < block.events && times.read(events) * kTimeUnit <= nanoseconds(time)) ++events;
    return {i, events};
  }
  return {state.events_blocks.size(), 0};
}

Time time_of(const Capture::State& state, const Moment& moment) {
  if (moment.block == 0 && moment.events == 0) return Time{};
  if (moment.events == 0) return Time{floor_to_unit(state.events_blocks[moment.block - 1].header.summary.last_time)};
  EventSections sections;
  if (!state.read_events(state.events_blocks[moment.block], Columns::time, sections)) return Time{};
  TimeColumnReader times(sections.times.bytes());
  std::int64_t units = 0;
  for (std::uint64_t i = 0; i < moment.events; ++i) units = times.read(i);
  return Time{units * kTimeUnit};
}

std::uint64_t allocations_until(const Capture::State& state, const Moment& moment) {
  if (moment.block == state.events_blocks.size()) return state.totals.allocations;
  const BlockPlace& block = state.events_blocks[moment.block];
  EventSections sections;
  if (moment.events == 0 || !state.read_events(block, Columns::none, sections))
    return block.header.summary.first_allocation;
  return block.header.summary.first_allocation + allocations_among(sections.events.bytes(), moment.events);
}

void apply_until(Capture::State& state, const Moment& moment, LiveSites& live, std::size_t first) {
  if (moment <= Moment{first, 0}) return;
  std::size_t i = first;
  state.for_each_events_block(
      Columns::none,
      [&](const EventsSummary& block, const EventSections& sections) {
        const std::uint64_t events = i < moment.block ? block.events : moment.events;
        if (!live.apply(block, sections.events.bytes(), events)) return EventDecoder::Result::malformed;
        ++i;
        const bool done = i > moment.block || (i == moment.block && moment.events == 0);
        return done ? EventDecoder::Result::stopped : EventDecoder::Result::done;
      },
      first);
}

}  // namespace memray
