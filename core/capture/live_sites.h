// What the sites of a capture hold at some moment, and what they allocated: the two passes that most queries need.
//
// Neither makes events. A token says which site allocates or which allocation is freed, so a pass
// writes sites into a window of numbers and marks the freed ones; at the end, what is left in the window *is* the live
// set. Sums need no adding up on the way, as sites have fixed sizes; allocations whose size differs from their site's
// (sites of varying size, mappings that were unmapped in part) are kept apart, so that they can also tell, if somebody
// asks, how what a site of varying size holds is made up of sizes.
#pragma once

#include <memray/definitions.h>

#include <bit>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "capture/format.h"
#include "capture/number_map.h"
#include "capture/number_window.h"

namespace memray {

struct SiteTotal {
  std::uint64_t bytes = 0;
  std::uint64_t count = 0;
};

// As in Group::size_class.
constexpr std::uint8_t size_class(std::uint64_t bytes) { return static_cast<std::uint8_t>(std::bit_width(bytes) + 1); }

// What sites of varying size hold, by site and class of the size asked for.
class ClassTotals {
 public:
  void add(std::uint32_t site, std::uint8_t size_class, const SiteTotal& held) {
    SiteTotal& total = totals_[std::uint64_t{site} << 8 | size_class];
    total.bytes += held.bytes;
    total.count += held.count;
  }

  // Calls `receive(site, size class, total)`, in no particular order.
  template <typename F>
  void for_each(F receive) const {
    totals_.for_each([&](std::uint64_t key, const SiteTotal& total) {
      receive(static_cast<std::uint32_t>(key >> 8), static_cast<std::uint8_t>(key), total);
    });
  }

 private:
  NumberMap<SiteTotal> totals_;
};

struct Held {
  std::vector<SiteTotal> sites;  // by number; a mapping in n pieces counts n
  ClassTotals classes;           // of what `sites` says about sites of varying size, as far as it is known
};

// The site of a live allocation.
struct LiveSite {
  static constexpr std::uint32_t kGone = 0xffff'ffff;
  static constexpr std::uint32_t kApart = 0x8000'0000;  // flag: size and pieces are kept apart

  std::uint32_t value;

  std::uint32_t site() const { return value & ~kApart; }
  friend bool is_gone(LiveSite entry) { return entry.value == kGone; }
  friend void mark_gone(LiveSite& entry) { entry.value = kGone; }
};

class LiveSites {
 public:
  // `keep_at_exit`: what a process had when it exited goes on to count; what it had at an exec does not.
  // `split_sizes`: tells classes.
  LiveSites(const Definitions& definitions, bool keep_at_exit, bool split_sizes = false);

  // Applies the first `events` events of a block; the blocks of a capture in order. False: these are no events.
  bool apply(const format::EventsSummary& summary, std::span<const std::byte> section, std::uint64_t events);

  // Before the first block, if that is not the capture's: what became of allocations before it is passed over.
  void begin_at(const format::EventsSummary& block);

  // Lets allocations before this one out of the totals.
  void count_from(std::uint64_t number) { first_counted_ = number; }

  Held held();

  // Bytes held, roughly: for tests.
  std::size_t footprint() const { return window_.footprint() + apart_.footprint(); }

 private:
  struct Apart {
    std::uint64_t bytes = 0;
    std::uint32_t pieces = 1;
    std::uint8_t size_class = 0;  // of what it was before the first part of it went; 0 until then
  };

  std::size_t apply_tokens(std::span<const std::uint64_t> tokens);
  std::size_t apply_extended(std::span<const std::uint64_t> tokens);
  bool release_slowly(std::uint64_t number);
  bool release_part(std::uint64_t distance, std::uint64_t bytes, std::uint64_t pieces);
  void end_process(std::uint32_t process, bool keep);
  void add(Held& held, std::uint64_t number, LiveSite entry);

  const Definitions& definitions_;
  bool keep_at_exit_;
  bool split_sizes_;
  std::uint64_t previous_site_ = 0;
  std::uint64_t first_counted_ = 0;
  std::uint64_t first_known_ = 0;
  std::uint64_t reference_ = 0;
  format::NumberWindow<LiveSite> window_;
  NumberMap<Apart> apart_;
  Held kept_;
};

// What the sites allocated, whether freed or not.
class AllocatedSites {
 public:
  explicit AllocatedSites(const Definitions& definitions);

  bool apply(const format::EventsSummary& summary, std::span<const std::byte> section);

  std::vector<SiteTotal> totals() const;
  // Allocations by size, those of sites of varying size only.
  const std::unordered_map<std::uint64_t, std::uint64_t>& varying_sizes() const { return varying_sizes_; }

 private:
  std::size_t apply_extended(std::span<const std::uint64_t> tokens);

  const Definitions& definitions_;
  std::uint64_t previous_site_ = 0;
  std::vector<std::uint64_t> counts_;
  std::vector<std::uint64_t> varying_bytes_;
  std::unordered_map<std::uint64_t, std::uint64_t> varying_sizes_;
};

}  // namespace memray
