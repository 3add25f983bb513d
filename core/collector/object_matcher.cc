#include "collector/object_matcher.h"

namespace memray::collector {

// An object whose address is used again is gone, even if its end was not told: CPython keeps some objects for later use
// without a word.
void ObjectMatcher::created(ProcessId process, ObjectEvent object) {
  destroyed(process, object.address, object.thread, object.time);
  object.created = true;
  object.number = created_++;
  live_[process][object.address] = object.number;
  events_.push_back(object);
}

void ObjectMatcher::destroyed(ProcessId process, std::uint64_t address, ThreadId thread, Time time) {
  NumberMap<std::uint64_t>& live = live_[process];
  const std::uint64_t* const number = live.find(address);
  if (!number) return;
  ObjectEvent event;
  event.created = false;
  event.number = *number;
  event.address = address;
  event.thread = thread;
  event.time = time;
  live.erase(address);
  events_.push_back(event);
}

}  // namespace memray::collector
