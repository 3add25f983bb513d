#include "capture/aggregates.h"

#include <algorithm>

#include "capture/format.h"

namespace memray {

// The peak of `before` stands as the first record.
Aggregator::Aggregator(const Definitions& definitions, const Aggregates& before)
    : definitions_(definitions),
      kept_(before.kept),
      totals_(before.totals),
      unknown_deallocations_(before.unknown_deallocations),
      record_(1),
      peak_time_(before.peak_time),
      end_(before.end) {
  for (const auto& [size, count] : before.varying_sizes) varying_sizes_[size] = count;
  sites_.resize(std::max(before.peak.size(), before.allocated.size()));
  for (SiteState& site : sites_) site.record = record_;
  for (std::size_t i = 0; i < before.peak.size(); ++i) sites_[i].peak = before.peak[i];
  for (std::size_t i = 0; i < before.allocated.size(); ++i) sites_[i].allocated = before.allocated[i];
}

void Aggregator::add(std::span<const Event> events) {
  if (sites_.size() < definitions_.sites()) sites_.resize(definitions_.sites());
  for (const Event& event : events) add(event);
}

Aggregator::SiteState& Aggregator::about_to_change(SiteId site) {
  SiteState& state = sites_[index(site)];
  if (state.record < record_) {
    state.peak = state.live;
    state.record = record_;
  }
  return state;
}

void Aggregator::add(const Event& event) {
  switch (event.kind) {
    case Event::Kind::allocation: {
      SiteState& site = about_to_change(event.site);
      site.live.bytes += event.size;
      site.live.count += 1;
      site.allocated.bytes += event.size;
      site.allocated.count += 1;
      totals_.allocations += 1;
      totals_.allocated_bytes += event.size;
      live_bytes_ += event.size;
      if (!definitions_.site(event.site).fixed_size) ++varying_sizes_[event.size];
      break;
    }
    case Event::Kind::deallocation:
      release(event);
      totals_.deallocations += 1;
      break;
    case Event::Kind::partial_deallocation:
      release_part(event);
      break;
    case Event::Kind::unknown_deallocation:
      ++unknown_deallocations_;
      break;
    case Event::Kind::process_exec:
    case Event::Kind::process_exit:
      end_process(event.index, event.kind == Event::Kind::process_exit);
      break;
  }
  ++totals_.events;
  const Time time = format::marked(event.time);
  end_ = std::max(end_, time);
  if (live_bytes_ < totals_.peak_bytes) return;
  totals_.peak_bytes = live_bytes_;
  peak_time_ = time;
  ++record_;
}

void Aggregator::release(const Event& event) {
  SiteState& site = about_to_change(event.site);
  site.live.bytes -= event.size;
  live_bytes_ -= event.size;
  const Mapping* const mapping = pieces_.size() == 0 ? nullptr : pieces_.find(event.number);
  site.live.count -= mapping ? mapping->pieces : 1;
  if (mapping) pieces_.erase(event.number);
}

void Aggregator::release_part(const Event& event) {
  SiteState& site = about_to_change(event.site);
  Mapping& mapping = pieces_[event.number];
  site.live.bytes -= event.size;
  live_bytes_ -= event.size;
  site.live.count += event.pieces;
  site.live.count -= mapping.pieces;
  mapping = {event.pieces, event.site};
}

bool Aggregator::of_process(SiteId site, std::uint32_t process) const {
  const ThreadId thread = definitions_.site(site).thread;
  return thread != kMergedThreads && index(definitions_.thread(thread).process) == process;
}

void Aggregator::end_process(std::uint32_t process, bool keep) {
  if (keep) kept_.resize(std::max(kept_.size(), sites_.size()));
  for (std::uint32_t i = 0; i < sites_.size(); ++i) {
    if (sites_[i].live.count == 0 || !of_process(SiteId{i}, process)) continue;
    SiteState& site = about_to_change(SiteId{i});
    live_bytes_ -= site.live.bytes;
    if (keep) {
      kept_[i].bytes += site.live.bytes;
      kept_[i].count += site.live.count;
    }
    site.live = {};
  }
  pieces_.erase_if([&](const Mapping& mapping) { return of_process(mapping.site, process); });
}

Aggregates Aggregator::aggregates() const {
  Aggregates result;
  result.totals = totals_;
  result.unknown_deallocations = unknown_deallocations_;
  result.peak_time = peak_time_;
  result.end = end_;
  result.kept = kept_;
  varying_sizes_.for_each([&](std::uint64_t size, std::uint64_t count) { result.varying_sizes[size] = count; });
  result.live = live();
  result.peak = peak();
  for (const SiteState& site : sites_) result.allocated.push_back(site.allocated);
  return result;
}

SiteTotals Aggregator::live() const {
  SiteTotals totals;
  for (const SiteState& site : sites_) totals.push_back(site.live);
  return totals;
}

SiteTotals Aggregator::peak() const {
  SiteTotals totals;
  for (const SiteState& site : sites_) totals.push_back(at_peak(site));
  return totals;
}

}  // namespace memray
