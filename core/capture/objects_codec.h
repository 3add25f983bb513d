// The objects section: creations and destructions of Python objects. docs/capture-format.md has the bytes.
#pragma once

#include <memray/objects.h>

#include <cstdint>
#include <span>
#include <vector>

#include "capture/number_map.h"
#include "capture/varint.h"

namespace memray::format {

class ObjectsWriter {
 public:
  void add(const ObjectEvent& event);
  std::size_t size() const { return out_.size(); }

  // What was added since the last call; empty if nothing was.
  ByteWriter take();

 private:
  ByteWriter out_;
  ObjectEvent previous_;
  std::uint64_t created_ = 0;
};

class ObjectsReader {
 public:
  explicit ObjectsReader(const Definitions& definitions) : definitions_(definitions) {}

  // The events of the next section. False: no writer made it.
  bool read(std::span<const std::byte> section, std::vector<ObjectEvent>& events);

 private:
  bool read_created(ByteReader& in, std::uint64_t type, ObjectEvent& event);
  bool take_destroyed(std::uint64_t distance, ObjectEvent& event);

  const Definitions& definitions_;
  NumberMap<ObjectEvent> live_;
  std::uint64_t created_ = 0;
};

}  // namespace memray::format
