// From which slot to which slot allocations lived. What is freed in the slot in which it was allocated is nowhere to be
// seen between two borders, and is left out, so what is kept is in proportion to what outlives a slot.

#include <algorithm>
#include <unordered_map>

#include "capture/intern_table.h"
#include "capture/number_window.h"
#include "query/temporal_passes.h"

namespace memray {
namespace {

struct Living {
  static constexpr std::uint32_t kNoSite = 0xffff'ffff;

  std::uint64_t bytes = 0;
  std::uint32_t site = kNoSite;
  std::uint32_t slot = 0;
  std::uint32_t pieces = 1;

  friend bool is_gone(const Living& entry) { return entry.site == kNoSite; }
  friend void mark_gone(Living& entry) { entry.site = kNoSite; }
};

struct Key {
  static constexpr std::uint32_t kNever = 0xffff'ffff;
  std::uint32_t group, allocated, deallocated;
  friend auto operator<=>(const Key&, const Key&) = default;
};

struct KeyHash {
  std::size_t operator()(const Key& key) const {
    return mix(key.group, std::uint64_t{key.allocated} << 32 | key.deallocated);
  }
};

struct Total {
  std::int64_t count = 0;
  std::uint64_t bytes = 0;
};

class Lifetimes {
 public:
  Lifetimes(const Definitions& definitions, std::span<const std::uint32_t> group_of_site, Temporal& temporal)
      : definitions_(definitions), group_of_site_(group_of_site), temporal_(temporal), clock_(temporal.slots) {}

  void add(std::span<const Event> events) {
    living_.prepare(events.size());
    for (const Event& event : events) add(event);
  }

  void finish() {
    while (temporal_.high_water.size() <= temporal_.slots.size()) temporal_.high_water.push_back(bytes_);
    living_.for_each([&](std::uint64_t, const Living& entry) { ends(entry, Key::kNever); });
    std::vector<std::pair<Key, Total>> sorted(totals_.begin(), totals_.end());
    std::ranges::sort(sorted, {}, &std::pair<Key, Total>::first);
    for (const auto& [key, total] : sorted) {
      TemporalGroup& group = temporal_.groups[key.group];
      Interval interval{key.allocated, std::nullopt, total.count, total.bytes};
      if (key.deallocated != Key::kNever) {
        interval.deallocated_before = key.deallocated;
      } else {
        group.group.bytes += total.bytes;
        group.group.count += static_cast<std::uint64_t>(total.count);
      }
      group.intervals.push_back(interval);
    }
  }

 private:
  void add(const Event& event) {
    auto& high_water = temporal_.high_water;
    if (high_water.empty()) high_water.push_back(0);
    while (clock_.advance(event.time)) high_water.push_back(bytes_);
    switch (event.kind) {
      case Event::Kind::allocation:
        living_.append({event.size, index(event.site), clock_.slot(), 1});
        bytes_ += event.size;
        break;
      case Event::Kind::deallocation:
        if (const Living* const entry = living_.find(event.number)) {
          ends(*entry, clock_.slot());
          living_.erase(event.number);
        }
        bytes_ -= event.size;
        break;
      case Event::Kind::partial_deallocation:
        if (Living* const entry = living_.find(event.number)) cut(*entry, event);
        bytes_ -= event.size;
        break;
      case Event::Kind::process_exec:
      case Event::Kind::process_exit:
        process_ends(event.index, event.kind == Event::Kind::process_exit ? Key::kNever : clock_.slot());
        bytes_ -= event.size;
        break;
      case Event::Kind::unknown_deallocation:
        break;
    }
    high_water.back() = std::max(high_water.back(), bytes_);
  }

  // The part that goes takes with it the difference of pieces, so that the rest has what it has from now on.
  void cut(Living& entry, const Event& event) {
    Living part = entry;
    part.bytes = event.size;
    count(part, clock_.slot(), std::int64_t{entry.pieces} - std::int64_t{event.pieces});
    entry.bytes -= event.size;
    entry.pieces = event.pieces;
  }

  void ends(const Living& entry, std::uint32_t slot) { count(entry, slot, entry.pieces); }

  void count(const Living& entry, std::uint32_t slot, std::int64_t pieces) {
    if (entry.slot == slot) return;
    Total& total = totals_[{group_of_site_[entry.site], entry.slot, slot}];
    total.count += pieces;
    total.bytes += entry.bytes;
  }

  void process_ends(std::uint32_t process, std::uint32_t slot) {
    const auto of_process = [&](const Living& entry) {
      const ThreadId thread = definitions_.site(SiteId{entry.site}).thread;
      return thread != kMergedThreads && index(definitions_.thread(thread).process) == process;
    };
    living_.for_each([&](std::uint64_t, const Living& entry) {
      if (of_process(entry)) ends(entry, slot);
    });
    living_.erase_if(of_process);
  }

  const Definitions& definitions_;
  std::span<const std::uint32_t> group_of_site_;
  Temporal& temporal_;
  SlotClock clock_;
  std::uint64_t bytes_ = 0;
  format::NumberWindow<Living> living_;
  std::unordered_map<Key, Total, KeyHash> totals_;
};

}  // namespace

void add_lifetimes(const Capture& capture, std::span<const std::uint32_t> group_of_site, Temporal& temporal) {
  Lifetimes lifetimes(capture.definitions(), group_of_site, temporal);
  capture.events(Columns::time, [&](std::span<const Event> events) {
    lifetimes.add(events);
    return true;
  });
  lifetimes.finish();
}

}  // namespace memray
