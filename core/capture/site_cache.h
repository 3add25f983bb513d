// The sites of places that allocated lately: direct-mapped, one cache line at most, in front of Definitions::find_site,
// which has to look at three.
#pragma once

#include <cstdint>
#include <vector>

#include "capture/intern_table.h"
#include "capture/raw_event.h"

namespace memray {

class SiteCache {
 public:
  class Entry {
   public:
    Entry() = default;
    Entry(const RawAllocation& a, SiteId site)
        : stacks_(stacks(a)), size_(a.size), thread_(a.thread), site_(site), allocator_(a.allocator) {}
    bool is(const RawAllocation& a) const {
      return stacks_ == stacks(a) && size_ == a.size && thread_ == a.thread && allocator_ == a.allocator;
    }
    SiteId site() const { return site_; }

   private:
    std::uint64_t stacks_ = 0;
    std::uint64_t size_ = 0;
    ThreadId thread_{};
    SiteId site_{};
    Allocator allocator_ = Allocator::none;
  };

  // Where the site of `a` is, if it is anywhere.
  Entry& entry(const RawAllocation& a) {
    const std::uint64_t rest =
        a.size << 8 ^ std::uint64_t{index(a.thread)} << 32 ^ static_cast<std::uint64_t>(a.allocator);
    return entries_[mix(stacks(a) ^ rest * 0xff51'afd7'ed55'8ccdu) % kEntries];
  }

 private:
  static std::uint64_t stacks(const RawAllocation& a) {
    return std::uint64_t{index(a.stack)} << 32 | index(a.native_stack);
  }

  static constexpr std::size_t kEntries = 8192;
  std::vector<Entry> entries_ = std::vector<Entry>(kEntries);
};

}  // namespace memray
