#include <memray/objects.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "capture/capture_state.h"
#include "capture/objects_codec.h"

namespace memray {

bool has_objects(const Capture& capture) {
  const auto& extra = capture.metadata().extra;
  return !capture.state().objects_blocks.empty() ||
         std::ranges::any_of(extra, [](const auto& entry) { return entry.first == "track_object_lifetimes"; });
}

void objects(const Capture& capture, const std::function<bool(std::span<const ObjectEvent>)>& receive) {
  Capture::State& state = capture.state();
  format::ObjectsReader reader(state.definitions);
  std::vector<ObjectEvent> events;
  format::ByteWriter raw;
  for (const format::BlockPlace& block : state.objects_blocks) {
    bool stopped = false;
    const bool intact =
        state.for_each_section(block, [&](const format::SectionEntry& entry, std::span<const std::byte> stored) {
          if (entry.id != format::SectionId::objects) return true;
          events.clear();
          if (!format::unpack_section(entry, stored, raw) || !reader.read(raw.bytes(), events)) return false;
          stopped = !receive(events);
          return !stopped;
        });
    if (stopped) return;
    if (!intact) {
      state.damage =
          "the objects at byte " + std::to_string(block.offset) + " cannot be read; later ones are not shown";
      return;
    }
  }
}

std::vector<ObjectGroup> object_groups(const Capture& capture) {
  std::map<std::tuple<StringId, StackId, StackId>, ObjectGroup> groups;
  objects(capture, [&](std::span<const ObjectEvent> events) {
    for (const ObjectEvent& event : events) {
      ObjectGroup& group = groups[{event.type, event.stack, event.native_stack}];
      if (event.created) {
        ++group.created;
        ++group.surviving;
      } else {
        --group.surviving;
      }
    }
    return true;
  });
  std::vector<ObjectGroup> result;
  for (const auto& [key, counts] : groups)
    result.push_back({std::get<0>(key), std::get<1>(key), std::get<2>(key), counts.created, counts.surviving});
  std::ranges::stable_sort(result, [](const ObjectGroup& a, const ObjectGroup& b) {
    return std::tie(a.surviving, a.created) > std::tie(b.surviving, b.created);
  });
  return result;
}

}  // namespace memray
