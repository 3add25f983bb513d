// Totals over everything that was allocated. The pass only counts by site, which already says stack, allocator and
// mostly the size; all else is worked out from the sites afterwards. Sizes that differ from call to call are counted
// one by one.

#include <memray/query.h>

#include <algorithm>
#include <unordered_map>

#include "capture/capture_state.h"
#include "capture/live_sites.h"
#include "query/histogram.h"
#include "query/packages.h"

namespace memray {
namespace {

struct LocationHash {
  std::size_t operator()(const Location& location) const {
    constexpr std::uint64_t kMix = 0x9e3779b97f4a7c15;
    const std::uint64_t name = std::uint64_t{index(location.function)} << 32 | index(location.file);
    const std::uint64_t hash = (name * kMix ^ location.line) * kMix;
    return hash ^ hash >> 32;
  }
};

Location innermost(const Definitions& definitions, const Site& site) {
  const StackId stack = site.stack != kNoStack ? site.stack : site.native_stack;
  if (stack == kNoStack) return {};
  const FrameId id = definitions.stack(stack).frame;
  if (const auto locations = definitions.locations(id); !locations.empty()) return locations.front();
  const Frame& frame = definitions.frame(id);
  if (frame.module == kNoModule) return {};
  return {kNoString, definitions.module(frame.module).path, 0};
}

// The first `count` in descending order of `measure`, equals in the order they came.
template <typename Total>
std::vector<Total> top(const std::vector<Total>& totals, std::size_t count, std::uint64_t Total::*measure) {
  std::vector<std::size_t> order(totals.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  const std::size_t kept = std::min(count, order.size());
  std::ranges::partial_sort(
      order, order.begin() + static_cast<std::ptrdiff_t>(kept), [&](std::size_t a, std::size_t b) {
        return totals[a].*measure != totals[b].*measure ? totals[a].*measure > totals[b].*measure : a < b;
      });
  std::vector<Total> result;
  for (std::size_t i = 0; i < kept; ++i) result.push_back(totals[order[i]]);
  return result;
}

void count_locations(const Definitions& definitions, const std::vector<SiteId>& order,
                     const std::vector<SiteTotal>& sites, std::size_t largest, Statistics& statistics) {
  std::vector<LocationTotal> totals;
  std::unordered_map<Location, std::size_t, LocationHash> numbers;
  for (const SiteId id : order) {
    const Location location = innermost(definitions, definitions.site(id));
    const auto [entry, fresh] = numbers.try_emplace(location, totals.size());
    if (fresh) totals.push_back({location, 0, 0});
    totals[entry->second].bytes += sites[index(id)].bytes;
    totals[entry->second].count += sites[index(id)].count;
  }
  statistics.top_by_bytes = top(totals, largest, &LocationTotal::bytes);
  statistics.top_by_count = top(totals, largest, &LocationTotal::count);
}

void count_packages(const Capture& capture, const std::vector<SiteId>& order, const std::vector<SiteTotal>& sites,
                    std::size_t largest, Statistics& statistics) {
  const Definitions& definitions = capture.definitions();
  const bool python = std::ranges::any_of(order, [&](SiteId id) { return definitions.site(id).stack != kNoStack; });
  if (!python) return;
  PackageOfStacks packages = packages_of_stacks(capture);
  std::vector<PackageTotal> totals;
  std::vector<std::size_t> numbers(packages.names.size(), packages.names.size());
  for (const SiteId id : order) {
    const std::uint32_t package = packages.of_stack[index(definitions.site(id).stack)];
    if (numbers[package] == packages.names.size()) {
      numbers[package] = totals.size();
      totals.push_back({packages.names[package], 0, 0});
    }
    totals[numbers[package]].bytes += sites[index(id)].bytes;
    totals[numbers[package]].count += sites[index(id)].count;
  }
  statistics.top_packages_by_bytes = top(totals, largest, &PackageTotal::bytes);
  statistics.top_packages_by_count = top(totals, largest, &PackageTotal::count);
}

struct Allocated {
  SiteTotals by_site;
  std::map<std::uint64_t, std::uint64_t> varying_sizes;
};

Allocated allocated_by_sites(Capture::State& state) {
  using format::EventDecoder;
  AllocatedSites allocated(state.definitions);
  const auto apply = [&](const format::EventsSummary& block, const format::EventSections& sections) {
    const bool sound = allocated.apply(block, sections.events.bytes());
    return sound ? EventDecoder::Result::done : EventDecoder::Result::malformed;
  };
  if (!state.metadata.aggregated) state.for_each_events_block(Columns::none, apply);
  const auto& sizes = allocated.varying_sizes();
  Allocated result{allocated.totals(), {sizes.begin(), sizes.end()}};
  if (!state.aggregates) return result;
  const SiteTotals& before = state.aggregates->allocated;
  for (std::size_t i = 0; i < before.size(); ++i) {
    result.by_site[i].bytes += before[i].bytes;
    result.by_site[i].count += before[i].count;
  }
  for (const auto& [size, count] : state.aggregates->varying_sizes) result.varying_sizes[size] += count;
  return result;
}

}  // namespace

Statistics statistics(const Capture& capture, std::size_t largest) {
  const Definitions& definitions = capture.definitions();
  auto [sites, count_by_size] = allocated_by_sites(capture.state());
  std::vector<SiteId> order;  // of first allocation: that of their numbers
  for (std::uint32_t i = 0; i < sites.size(); ++i)
    if (sites[i].count != 0) order.push_back(SiteId{i});

  Statistics statistics;
  statistics.peak_bytes = capture.totals().peak_bytes;
  for (const SiteId id : order) {
    const Site& site = definitions.site(id);
    const SiteTotal& total = sites[index(id)];
    statistics.allocations += total.count;
    statistics.allocated_bytes += total.bytes;
    statistics.count_by_allocator[site.allocator] += total.count;
    if (site.fixed_size) count_by_size[site.size] += total.count;
  }
  statistics.count_by_size.assign(count_by_size.begin(), count_by_size.end());
  std::ranges::sort(statistics.count_by_size);
  statistics.histogram = size_histogram(statistics.count_by_size);
  count_locations(definitions, order, sites, largest, statistics);
  count_packages(capture, order, sites, largest, statistics);
  return statistics;
}

}  // namespace memray
