#include "capture/live_allocations.h"

#include <algorithm>

namespace memray {
namespace {

constexpr unsigned kPieceBits = 12;
constexpr std::uint64_t kPiece = std::uint64_t{1} << kPieceBits;

}  // namespace

Numbering::Numbering(std::span<const std::uint64_t> kept, std::uint64_t next) : next_(next) {
  first_.reserve((next >> kPieceBits) + 2);
  low_.reserve(kept.size());
  for (const std::uint64_t original : kept) {
    while (first_.size() <= original >> kPieceBits) first_.push_back(low_.size());
    low_.push_back(static_cast<std::uint16_t>(original % kPiece));
  }
  while (first_.size() <= (next >> kPieceBits) + 1) first_.push_back(low_.size());
}

std::uint64_t Numbering::original(std::uint64_t number) const {
  if (number >= low_.size()) return number - low_.size() + next_;
  const auto piece = std::upper_bound(first_.begin(), first_.end(), number) - first_.begin() - 1;
  return static_cast<std::uint64_t>(piece) << kPieceBits | low_[number];
}

std::uint64_t Numbering::rank(std::uint64_t original) const {
  const std::uint64_t piece = original >> kPieceBits;
  const auto begin = low_.begin() + static_cast<std::ptrdiff_t>(first_[piece]);
  const auto end = low_.begin() + static_cast<std::ptrdiff_t>(first_[piece + 1]);
  return static_cast<std::uint64_t>(std::lower_bound(begin, end, original % kPiece) - low_.begin());
}

void LiveAllocations::add(std::span<const Event> events) {
  window_.prepare(events.size());
  for (const Event& event : events) add(event);
}

void LiveAllocations::add(const Event& event) {
  switch (event.kind) {
    case Event::Kind::allocation:
      window_.append({event.address, event.size, event.time, index(event.site), event.thread});
      break;
    case Event::Kind::deallocation:
      window_.erase(event.number);
      if (cuts_.size() != 0) cuts_.erase(event.number);
      break;
    case Event::Kind::partial_deallocation: {
      Cut& cut = cuts_[event.number];
      cut.gone += event.size;
      cut.pieces = event.pieces;
      break;
    }
    case Event::Kind::unknown_deallocation:
      break;
    case Event::Kind::process_exec:
    case Event::Kind::process_exit:
      window_.erase_if([&](const Entry& entry) { return of_process(entry, event.index); });
      break;
  }
}

bool LiveAllocations::of_process(const Entry& entry, std::uint32_t process) const {
  const ThreadId thread = definitions_.site(SiteId{entry.site}).thread;
  return thread != kMergedThreads && index(definitions_.thread(thread).process) == process;
}

// What is restated counts where it is restated.
void LiveAllocations::leave_out(Aggregates& sums, const std::vector<std::uint64_t>& kept) {
  sums.live.clear();
  sums.totals.events -= sums.restated_events;
  for (const std::uint64_t number : kept) {
    const Entry& entry = *window_.find(number);
    SiteTotal& site = sums.allocated[entry.site];
    site.count -= 1;
    site.bytes -= entry.size;
    sums.totals.allocations -= 1;
    sums.totals.allocated_bytes -= entry.size;
    if (definitions_.site(SiteId{entry.site}).fixed_size) continue;
    const auto size = sums.varying_sizes.find(entry.size);
    if (--size->second == 0) sums.varying_sizes.erase(size);
  }
}

LiveAllocations::Restated LiveAllocations::restate(Aggregates all, Encoder& encoder) {
  std::vector<std::uint64_t> kept;
  window_.for_each([&](std::uint64_t number, const Entry&) { kept.push_back(number); });
  std::sort(kept.begin(), kept.end());
  Restated result{Numbering(kept, window_.next_number()), kept.size()};
  if (cuts_.size() != 0)
    for (const std::uint64_t number : kept) result.events += cuts_.find(number) != nullptr;

  all.restated_events = result.events;
  leave_out(all, kept);
  encoder.aggregates(all);
  for (std::uint64_t i = 0; i < kept.size(); ++i) {
    const Entry& entry = *window_.find(kept[i]);
    Event event;
    event.allocator = definitions_.site(SiteId{entry.site}).allocator;
    event.thread = entry.thread;
    event.site = SiteId{entry.site};
    event.number = i;
    event.address = entry.address;
    event.size = entry.size;
    event.time = entry.time;
    encoder.events({&event, 1});
    const Cut* const cut = cuts_.size() != 0 ? cuts_.find(kept[i]) : nullptr;
    if (cut == nullptr) continue;
    event.kind = Event::Kind::partial_deallocation;
    event.size = cut->gone;
    event.pieces = cut->pieces;
    encoder.events({&event, 1});
  }
  return result;
}

}  // namespace memray
