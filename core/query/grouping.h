// Sites and what they hold: the ground that the snapshot queries (peak, leaks) share.
#pragma once

#include <memray/query.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace memray {

// What a site has in memory at some moment.
struct Holding {
  std::uint64_t bytes = 0;
  std::uint64_t count = 0;

  // A capture that lost a block in its middle can free more than it allocated; a holding stops at nothing.
  void drop(const Holding& gone) {
    bytes -= std::min(bytes, gone.bytes);
    count -= std::min(count, gone.count);
  }
};

// Sites in the order of their first allocation, and by process.
class Roster {
 public:
  explicit Roster(const Definitions& definitions);

  void allocated(SiteId site) {
    if (!seen_[index(site)]) [[unlikely]]
      add(site);
  }
  std::span<const SiteId> order() const { return order_; }
  std::span<const SiteId> of_process(std::uint32_t process) const;

 private:
  void add(SiteId site);

  const Definitions& definitions_;
  std::vector<char> seen_;
  std::vector<SiteId> order_;
  std::vector<std::vector<SiteId>> by_process_;
};

// In how many pieces the mappings are that munmap has cut; all others are in one.
class Pieces {
 public:
  // How the count of live pieces changes with a partial deallocation: by this much, modulo 2^64.
  std::uint64_t change(const Event& partial);
  // Pieces that the deallocated allocation still had.
  std::uint64_t left(const Event& deallocation) { return cut_.empty() ? 1 : take(deallocation.number); }

 private:
  std::uint64_t take(std::uint64_t number);

  std::unordered_map<std::uint64_t, std::uint32_t> cut_;
};

// The snapshot of sites that hold what `held` says (by site number), in the given order.
Snapshot group_sites(const Definitions& definitions, std::span<const SiteId> order, std::span<const Holding> held,
                     const SnapshotOptions& options);

}  // namespace memray
