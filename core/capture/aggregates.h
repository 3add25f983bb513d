// What events add up to, site by site, where the events themselves are not kept.
//
// The live set at the peak would be a copy of the live set at every new record, if it were made at once. It is made
// late instead: a site remembers for which record its copy is good, and copies what it holds only when it is about to
// change and there has been a newer record. So an event costs the same, a few additions, however the peak moves.
#pragma once

#include <memray/capture.h>

#include <map>
#include <span>
#include <vector>

#include "capture/live_sites.h"
#include "capture/number_map.h"

namespace memray {

using SiteTotals = std::vector<SiteTotal>;  // by number of the site; sites beyond the end have nothing

struct Aggregates {
  Totals totals;
  std::uint64_t unknown_deallocations = 0;
  std::uint64_t restated_events = 0;  // at the start of the file, about what was live when these were added up
  Time peak_time{};
  Time end{};  // the latest moment of an event
  SiteTotals peak;
  SiteTotals live;
  SiteTotals kept;  // of processes that have exited
  SiteTotals allocated;
  std::map<std::uint64_t, std::uint64_t> varying_sizes;  // size -> allocations, at sites of varying size
};

class Aggregator {
 public:
  explicit Aggregator(const Definitions& definitions) : definitions_(definitions) {}
  // Goes on from these; what was live then comes as events, as in a file.
  Aggregator(const Definitions& definitions, const Aggregates& before);

  void add(std::span<const Event> events);

  Aggregates aggregates() const;
  SiteTotals live() const;
  SiteTotals peak() const;
  const SiteTotals& kept() const { return kept_; }
  const Totals& totals() const { return totals_; }
  std::uint64_t live_bytes() const { return live_bytes_; }
  Time peak_time() const { return peak_time_; }
  Time end() const { return end_; }
  std::uint64_t events() const { return totals_.events; }

 private:
  struct SiteState {
    SiteTotal live, peak, allocated;
    std::uint64_t record = 0;  // `peak` holds for the records from this one on, until `live` changes
  };
  struct Mapping {
    std::uint32_t pieces = 1;
    SiteId site{};
  };

  void add(const Event& event);
  SiteState& about_to_change(SiteId site);
  SiteTotal at_peak(const SiteState& site) const { return site.record < record_ ? site.live : site.peak; }
  void release(const Event& event);
  void release_part(const Event& event);
  void end_process(std::uint32_t process, bool keep);
  bool of_process(SiteId site, std::uint32_t process) const;

  const Definitions& definitions_;
  std::vector<SiteState> sites_;
  SiteTotals kept_;
  NumberMap<Mapping> pieces_;  // mappings in more than one piece, by number
  NumberMap<std::uint64_t> varying_sizes_;
  Totals totals_;
  std::uint64_t unknown_deallocations_ = 0;
  std::uint64_t live_bytes_ = 0;
  std::uint64_t record_ = 0;  // counts the moments at which no less was live than ever before
  Time peak_time_{};
  Time end_{};
};

}  // namespace memray
