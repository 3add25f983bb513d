#include "capture/objects_codec.h"

#include <utility>

#include "capture/format.h"

namespace memray::format {

namespace {

template <typename Id>
void write_change(ByteWriter& out, Id value, Id before) {
  out.varint(encode_delta(index(value), index(before)));
}

template <typename Id>
bool read_change(ByteReader& in, Id& value, std::size_t count) {
  const std::uint64_t number = apply_delta(index(value), in.varint());
  if (!in.ok() || number >= count) return false;
  value = Id{static_cast<std::uint32_t>(number)};
  return true;
}

}  // namespace

void ObjectsWriter::add(const ObjectEvent& event) {
  if (out_.size() == 0) {
    out_.varint(created_);
    previous_ = {};
  }
  if (event.created) {
    out_.varint(encode_delta(index(event.type), index(previous_.type)) << 1 | 1);
    write_change(out_, event.stack, previous_.stack);
    write_change(out_, event.native_stack, previous_.native_stack);
    out_.varint(encode_delta(event.address, previous_.address));
  } else {
    out_.varint((created_ - event.number) << 1);
  }
  write_change(out_, event.thread, previous_.thread);
  out_.varint(zigzag(time_units(event.time) - time_units(previous_.time)));
  const ObjectEvent before = std::exchange(previous_, event);
  if (event.created) {
    ++created_;
  } else {
    previous_.type = before.type;
    previous_.stack = before.stack;
    previous_.native_stack = before.native_stack;
    previous_.address = before.address;
  }
}

ByteWriter ObjectsWriter::take() { return std::exchange(out_, {}); }

bool ObjectsReader::read_created(ByteReader& in, std::uint64_t type, ObjectEvent& event) {
  const std::uint64_t number = apply_delta(index(event.type), type);
  if (number >= definitions_.strings()) return false;
  event.type = StringId{static_cast<std::uint32_t>(number)};
  if (!read_change(in, event.stack, definitions_.stacks())) return false;
  if (!read_change(in, event.native_stack, definitions_.stacks())) return false;
  event.address = apply_delta(event.address, in.varint());
  event.created = true;
  event.number = created_++;
  return true;
}

bool ObjectsReader::take_destroyed(std::uint64_t distance, ObjectEvent& event) {
  if (distance == 0 || distance > created_) return false;
  const ObjectEvent* const object = live_.find(created_ - distance);
  if (!object) return false;
  event = *object;
  event.created = false;
  live_.erase(event.number);
  return true;
}

bool ObjectsReader::read(std::span<const std::byte> section, std::vector<ObjectEvent>& events) {
  ByteReader in(section);
  if (in.varint() != created_) return false;
  ObjectEvent made;  // the last creation, and thread and time of the last event
  while (!in.at_end()) {
    const std::uint64_t head = in.varint();
    ObjectEvent event = made;
    const bool read = (head & 1) != 0 ? read_created(in, head >> 1, event) : take_destroyed(head >> 1, event);
    if (!read || !in.ok()) return false;
    event.thread = made.thread;
    if (!read_change(in, event.thread, definitions_.threads())) return false;
    event.time = Time{nanoseconds(made.time) + unzigzag(in.varint()) * kTimeUnit};
    if (!in.ok()) return false;
    if (event.created) {
      live_[event.number] = made = event;
    } else {
      made.thread = event.thread;
      made.time = event.time;
    }
    events.push_back(event);
  }
  return in.ok();
}

}  // namespace memray::format
