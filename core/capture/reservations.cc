#include <memray/capture.h>

namespace memray {

std::vector<std::string> reservations(const Metadata& metadata) {
  std::vector<std::string> result;
  if (metadata.dropped_events > 0)
    result.push_back(std::to_string(metadata.dropped_events) +
                     " events were dropped while recording: the sizes shown are incomplete");
  if (metadata.events_from > Time{})
    result.push_back("the peak, leaks and totals are of the whole recording, but what happened in the first " +
                     std::to_string(nanoseconds(metadata.events_from) / 1'000'000) +
                     " ms was added up, not kept one by one: reports over time begin there");
  return result;
}

}  // namespace memray
