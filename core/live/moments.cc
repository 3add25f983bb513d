#include "live/moments.h"

#include <algorithm>

#include "live/thinning.h"

namespace memray::live {

void Moments::add(Time time, const SiteTotals& live) {
  Moment moment{time, {}};
  moment.held.reserve(
      static_cast<std::size_t>(std::ranges::count_if(live, [](const SiteTotal& site) { return site.count != 0; })));
  for (std::uint32_t i = 0; i < live.size(); ++i)
    if (live[i].count != 0) moment.held.push_back({live[i].bytes, live[i].count, i});
  bytes_ += moment.size();
  moments_.push_back(std::move(moment));
  while (moments_.size() > max_moments_ || bytes_ > max_bytes_) {
    if (moments_.size() < 3) break;
    forget(least_missed(moments_));
  }
  if (bytes_ > max_bytes_ && moments_.size() == 2) forget(0);
}

void Moments::forget(std::size_t i) {
  bytes_ -= moments_[i].size();
  moments_.erase(moments_.begin() + static_cast<std::ptrdiff_t>(i));
}

std::vector<Time> Moments::times() const {
  std::vector<Time> times;
  for (const Moment& moment : moments_) times.push_back(moment.time);
  return times;
}

SiteTotals Moments::at(Time time) const {
  if (moments_.empty()) return {};
  const auto after = std::ranges::upper_bound(moments_, time, {}, &Moment::time);
  const Moment& moment = after == moments_.begin() ? *after : *(after - 1);
  SiteTotals totals;
  for (const Held& held : moment.held) {
    totals.resize(held.site + 1);
    totals[held.site] = {held.bytes, held.count};
  }
  return totals;
}

}  // namespace memray::live
