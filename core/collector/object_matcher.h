// Pairs the end of each Python object with its creation, by address.
#pragma once

#include "capture/number_map.h"

#include <memray/objects.h>

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace memray::collector {

class ObjectMatcher {
 public:
  // `object.number` is given here.
  void created(ProcessId process, ObjectEvent object);
  // Nothing happens if the object was made before recording.
  void destroyed(ProcessId process, std::uint64_t address, ThreadId thread, Time time);
  void process_ended(ProcessId process) { live_.erase(process); }

  std::span<const ObjectEvent> events() const { return events_; }
  void clear() { events_.clear(); }

 private:
  std::unordered_map<ProcessId, NumberMap<std::uint64_t>> live_;  // number by address
  std::uint64_t created_ = 0;
  std::vector<ObjectEvent> events_;
};

}  // namespace memray::collector
