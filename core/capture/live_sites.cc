#include "capture/live_sites.h"

#include <algorithm>

#include "capture/token_reader.h"

namespace memray {

using namespace format;

namespace {

// Numbers that the longest event takes: a partial deallocation.
constexpr std::size_t kLongestEvent = 5;

// Numbers that the extended event at the head takes; 0 if it is none, or is cut off.
std::size_t extended_size(std::span<const std::uint64_t> tokens) {
  if (tokens.size() < 2) return 0;
  const std::uint64_t code = tokens[1];
  if (code < static_cast<std::uint64_t>(Extended::sized_allocation)) return 0;
  if (code > static_cast<std::uint64_t>(Extended::process_exit)) return 0;
  const std::size_t size = code == static_cast<std::uint64_t>(Extended::partial_deallocation) ? 5 : 4;
  return size <= tokens.size() ? size : 0;
}

// Calls `plain(tokens)` for runs of numbers that begin with one that is no extended event; it returns how many it took,
// which is one an event, and stops at a 0. Calls `extended(tokens)` where one begins; it returns how many it took.
// Either returns 0 for what makes no sense.
template <typename Plain, typename Extended>
bool for_each_run(std::span<const std::byte> section, std::uint64_t events, Plain plain, Extended extended) {
  TokenReader reader(section);
  std::span<const std::uint64_t> tokens;
  while (events > 0) {
    tokens = reader.fill(tokens.size());
    if (tokens.empty()) return false;
    const std::size_t reserve = reader.at_end() ? 0 : kLongestEvent - 1;
    if (tokens.size() <= reserve) return false;
    while (events > 0 && tokens.size() > reserve) {
      const bool is_extended = tokens[0] == 0;
      const std::size_t run = std::min<std::uint64_t>(tokens.size() - reserve, events);
      const std::size_t taken = is_extended ? extended(tokens) : plain(tokens.first(run));
      if (taken == 0) return false;
      events -= is_extended ? 1 : taken;
      tokens = tokens.subspan(taken);
    }
  }
  return true;
}

}  // namespace

LiveSites::LiveSites(const Definitions& definitions, bool keep_at_exit, bool split_sizes)
    : definitions_(definitions), keep_at_exit_(keep_at_exit), split_sizes_(split_sizes) {
  kept_.sites.resize(definitions.sites());
}

void LiveSites::begin_at(const EventsSummary& block) {
  first_known_ = block.first_allocation;
  window_.begin_at(first_known_);
}

bool LiveSites::apply(const EventsSummary& summary, std::span<const std::byte> section, std::uint64_t events) {
  if (summary.first_allocation != window_.next_number() || definitions_.sites() >= LiveSite::kApart) return false;
  previous_site_ = 0;
  reference_ = summary.first_allocation;
  return for_each_run(
      section, events, [&](std::span<const std::uint64_t> tokens) { return apply_tokens(tokens); },
      [&](std::span<const std::uint64_t> tokens) { return apply_extended(tokens); });
}

// Whether an event allocates or frees is as good as random, so nothing branches on it: both read the old entry of a
// slot and write a new one.
std::size_t LiveSites::apply_tokens(std::span<const std::uint64_t> tokens) {
  window_.prepare(tokens.size());
  const std::uint64_t sites = definitions_.sites();
  std::uint64_t site = previous_site_;
  std::uint64_t reference = reference_;
  std::uint64_t next = window_.next_number();
  std::size_t i = 0;
  for (; i < tokens.size() && tokens[i] != 0; ++i) {
    const auto change = static_cast<std::uint64_t>(unzigzag(tokens[i] >> 1));
    const std::uint64_t made = tokens[i] & 1;
    const std::uint64_t if_made = -made;  // a mask
    site += change & if_made;
    const std::uint64_t number = (next & if_made) | ((reference + change) & ~if_made);
    reference = number + made;
    if (site >= sites || number > next) [[unlikely]]
      return 0;
    LiveSite* const entry = window_.slot(number);
    // A slot that is gone has the flag as well.
    if (entry == nullptr || (entry->value & LiveSite::kApart & ~if_made) != 0) [[unlikely]] {
      window_.set_next_number(next);
      if (!release_slowly(number)) return 0;
      continue;
    }
    entry->value = static_cast<std::uint32_t>(site | ~if_made);
    next += made;
  }
  previous_site_ = site;
  reference_ = reference;
  window_.set_next_number(next);
  return i;
}

// The allocation is not where most are, or its size is not.
bool LiveSites::release_slowly(std::uint64_t number) {
  const LiveSite* const entry = window_.find(number);
  if (entry == nullptr) return number < first_known_;
  if ((entry->value & LiveSite::kApart) != 0) apart_.erase(number);
  window_.erase(number);
  return true;
}

bool LiveSites::release_part(std::uint64_t distance, std::uint64_t bytes, std::uint64_t pieces) {
  if (distance > window_.next_number()) return false;
  const std::uint64_t number = window_.next_number() - distance;
  if (number < first_known_) return true;
  LiveSite* const entry = window_.find(number);
  if (entry == nullptr || pieces == 0 || pieces > 0xffff'ffff) return false;
  Apart& apart = apart_[number];
  if ((entry->value & LiveSite::kApart) == 0) apart.bytes = definitions_.site(SiteId{entry->site()}).size;
  entry->value |= LiveSite::kApart;
  if (bytes >= apart.bytes) return false;
  if (apart.size_class == 0) apart.size_class = size_class(apart.bytes);
  apart.bytes -= bytes;
  apart.pieces = static_cast<std::uint32_t>(pieces);
  return true;
}

std::size_t LiveSites::apply_extended(std::span<const std::uint64_t> tokens) {
  const std::size_t size = extended_size(tokens);
  if (size == 0) return 0;
  const auto code = static_cast<Extended>(tokens[1]);
  if (code == Extended::sized_allocation) {
    previous_site_ = apply_delta(previous_site_, tokens[2]);
    if (previous_site_ >= definitions_.sites()) return 0;
    apart_[window_.next_number()] = {tokens[3], 1, 0};
    window_.prepare(1);
    window_.append({static_cast<std::uint32_t>(previous_site_) | LiveSite::kApart});
    reference_ = window_.next_number();
  } else if (code == Extended::partial_deallocation) {
    if (!release_part(tokens[2], tokens[3], tokens[4])) return 0;
  } else if (code == Extended::process_exec || code == Extended::process_exit) {
    if (tokens[2] >= definitions_.processes()) return 0;
    end_process(static_cast<std::uint32_t>(tokens[2]), code == Extended::process_exit && keep_at_exit_);
  }
  return size;
}

void LiveSites::end_process(std::uint32_t process, bool keep) {
  const auto of_process = [&](LiveSite entry) {
    const ThreadId thread = definitions_.site(SiteId{entry.site()}).thread;
    return thread != kMergedThreads && index(definitions_.thread(thread).process) == process;
  };
  window_.for_each([&](std::uint64_t number, LiveSite entry) {
    if (!of_process(entry)) return;
    if (keep) add(kept_, number, entry);
    if ((entry.value & LiveSite::kApart) != 0) apart_.erase(number);
  });
  window_.erase_if(of_process);
}

void LiveSites::add(Held& held, std::uint64_t number, LiveSite entry) {
  if (number < first_counted_) return;
  const Site& site = definitions_.site(SiteId{entry.site()});
  const Apart* const apart = (entry.value & LiveSite::kApart) != 0 ? apart_.find(number) : nullptr;
  const SiteTotal one = apart != nullptr ? SiteTotal{apart->bytes, apart->pieces} : SiteTotal{site.size, 1};
  SiteTotal& total = held.sites[entry.site()];
  total.bytes += one.bytes;
  total.count += one.count;
  if (!split_sizes_ || site.fixed_size || apart == nullptr) return;
  held.classes.add(entry.site(), apart->size_class != 0 ? apart->size_class : size_class(apart->bytes), one);
}

Held LiveSites::held() {
  Held held = kept_;
  window_.for_each([&](std::uint64_t number, LiveSite entry) { add(held, number, entry); });
  return held;
}

AllocatedSites::AllocatedSites(const Definitions& definitions)
    : definitions_(definitions), counts_(definitions.sites()), varying_bytes_(definitions.sites()) {}

bool AllocatedSites::apply(const EventsSummary& summary, std::span<const std::byte> section) {
  previous_site_ = 0;
  const auto plain = [&](std::span<const std::uint64_t> tokens) -> std::size_t {
    const std::uint64_t sites = counts_.size();
    std::uint64_t* const counts = counts_.data();
    std::uint64_t site = previous_site_;
    std::size_t i = 0;
    for (; i < tokens.size() && tokens[i] != 0; ++i) {
      const std::uint64_t made = tokens[i] & 1;
      site += static_cast<std::uint64_t>(unzigzag(tokens[i] >> 1)) & -made;
      if (site >= sites) [[unlikely]]
        return 0;
      counts[site] += made;
    }
    previous_site_ = site;
    return i;
  };
  return for_each_run(section, summary.events, plain,
                      [&](std::span<const std::uint64_t> tokens) { return apply_extended(tokens); });
}

std::size_t AllocatedSites::apply_extended(std::span<const std::uint64_t> tokens) {
  const std::size_t size = extended_size(tokens);
  if (size == 0 || static_cast<Extended>(tokens[1]) != Extended::sized_allocation) return size;
  previous_site_ = apply_delta(previous_site_, tokens[2]);
  if (previous_site_ >= counts_.size()) return 0;
  counts_[previous_site_] += 1;
  varying_bytes_[previous_site_] += tokens[3];
  ++varying_sizes_[tokens[3]];
  return size;
}

std::vector<SiteTotal> AllocatedSites::totals() const {
  std::vector<SiteTotal> totals(counts_.size());
  for (std::uint32_t i = 0; i < totals.size(); ++i)
    totals[i] = {counts_[i] * definitions_.site(SiteId{i}).size + varying_bytes_[i], counts_[i]};
  return totals;
}

}  // namespace memray
