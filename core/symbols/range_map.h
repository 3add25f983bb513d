// Values by the address ranges that they hold for.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <vector>

namespace memray::symbols {

// Ranges may overlap: of several the one that starts last is meant; of those that start together, the one added last.
template <typename Value>
class RangeMap {
 public:
  // Empty ranges, and those of code that the linker has thrown away (it leaves them at 0), are left out.
  void add(std::uint64_t start, std::uint64_t end, const Value& value) {
    if (start != 0 && start < end) entries_.push_back({start, end, end, value});
  }
  void finish() {
    std::ranges::stable_sort(entries_, {}, &Entry::start);
    std::uint64_t furthest = 0;
    for (Entry& entry : entries_) entry.furthest = furthest = std::max(furthest, entry.end);
  }
  Value* find(std::uint64_t address) {
    auto entry = std::ranges::upper_bound(entries_, address, {}, &Entry::start);
    while (entry != entries_.begin() && (--entry)->furthest > address) {
      if (entry->end > address) return &entry->value;
    }
    return nullptr;
  }
  // The furthest end of the ranges that begin at the address or before.
  std::uint64_t reach(std::uint64_t address) const {
    const auto next = std::ranges::upper_bound(entries_, address, {}, &Entry::start);
    return next == entries_.begin() ? 0 : std::prev(next)->furthest;
  }

 private:
  struct Entry {
    std::uint64_t start;
    std::uint64_t end;
    std::uint64_t furthest;  // end of this and all entries before
    Value value;
  };
  std::vector<Entry> entries_;
};

}  // namespace memray::symbols
