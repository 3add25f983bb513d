// What is live and was allocated before a moment, for some moments of the past: who looks at a program that still runs
// for leaks wants what is old.
//
// Allocations are numbered in order, so an allocation is older than a moment if its number is below the first of that
// moment. A mark is such a moment with what its older allocations still hold, site by site; it only ever shrinks. An
// event looks at the marks from the latest on and stops at the first that is older than the allocation: most
// allocations die young, before there was a mark.
#pragma once

#include <memray/definitions.h>

#include <cstdint>
#include <span>
#include <vector>

#include "capture/aggregates.h"
#include "capture/number_map.h"

namespace memray::live {

class AgeMarks {
 public:
  explicit AgeMarks(const Definitions& definitions) : definitions_(definitions) {}

  // Before the events that are told next, this is live. Forgets a mark if there are too many.
  void mark(Time time, const SiteTotals& live);
  void add(std::span<const Event> events);

  std::vector<Time> times() const;  // in order
  // Of the latest mark that is not later than `time`; nothing if there is none.
  SiteTotals older_than(Time time) const;

 private:
  struct Mark {
    Time time{};
    std::uint64_t first = 0;  // number of an allocation
    SiteTotals held;
  };
  struct Mapping {
    std::uint32_t pieces = 1;
    SiteId site{};
  };

  void release(const Event& event, std::uint64_t count_before, std::uint64_t count_after);
  bool of_process(SiteId site, std::uint32_t process) const;
  void end_process(std::uint32_t process);

  const Definitions& definitions_;
  std::vector<Mark> marks_;
  NumberMap<Mapping> pieces_;  // mappings in more than one piece, by number
  std::uint64_t next_ = 0;
};

}  // namespace memray::live
