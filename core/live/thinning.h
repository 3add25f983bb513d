// Which of many moments to forget: those kept get sparser with their age, so that a minute ago is known to the second
// and an hour ago to the minute.
#pragma once

#include <memray/types.h>

#include <cstddef>
#include <vector>

namespace memray::live {

// The one whose neighbours are closest together for their age. The first and the latest stay. `moments`, at least
// three, have a `time` and are in order of it.
template <typename Moment>
std::size_t least_missed(const std::vector<Moment>& moments) {
  const double now = static_cast<double>(nanoseconds(moments.back().time));
  std::size_t found = 1;
  double least = 0;
  for (std::size_t i = 1; i + 1 < moments.size(); ++i) {
    const double before = static_cast<double>(nanoseconds(moments[i - 1].time));
    const double gap = (static_cast<double>(nanoseconds(moments[i + 1].time)) - before) / (now - before + 1);
    if (i > 1 && gap >= least) continue;
    found = i;
    least = gap;
  }
  return found;
}

}  // namespace memray::live
