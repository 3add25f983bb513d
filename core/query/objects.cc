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

struct ObjectReader::State {
  Capture::State& capture;
  format::ObjectsReader reader;
  std::size_t next_block = 0;
  std::vector<ObjectEvent> events;
  format::ByteWriter raw;
};

ObjectReader::ObjectReader(const Capture& capture)
    : state_(new State{capture.state(), format::ObjectsReader(capture.state().definitions), 0, {}, {}}) {}
ObjectReader::~ObjectReader() = default;

std::span<const ObjectEvent> ObjectReader::next() {
  State& state = *state_;
  const auto& blocks = state.capture.objects_blocks;
  state.events.clear();
  while (state.events.empty() && state.next_block < blocks.size()) {
    const format::BlockPlace& block = blocks[state.next_block++];
    const bool intact = state.capture.for_each_section(
        block, [&](const format::SectionEntry& entry, std::span<const std::byte> stored) {
          if (entry.id != format::SectionId::objects) return true;
          return format::unpack_section(entry, stored, state.raw) && state.reader.read(state.raw.bytes(), state.events);
        });
    if (intact) continue;
    state.next_block = blocks.size();
    state.events.clear();
    state.capture.damage =
        "the objects at byte " + std::to_string(block.offset) + " cannot be read; later ones are not shown";
  }
  return state.events;
}

void objects(const Capture& capture, const std::function<bool(std::span<const ObjectEvent>)>& receive) {
  ObjectReader reader(capture);
  for (auto events = reader.next(); !events.empty(); events = reader.next()) {
    if (!receive(events)) return;
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
