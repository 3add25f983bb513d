// What programs to replay in benchmarks look like: that of a capture, or one that is made up.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "capture/matcher.h"

namespace memray {

struct RawEvent : RawAllocation {
  enum class Kind : std::uint8_t { allocation, deallocation, mapping, unmapping };
  Kind kind = Kind::allocation;
};

// One round of a program: what its recorder would see. Everything is freed at the end.
struct Trace {
  Definitions definitions;
  std::vector<RawEvent> events;
};

// Of a capture.
Trace trace_of(const std::string& path);

// Made up: places and sizes as uneven as in life, a free-list allocator, most blocks dead soon, some never.
Trace synthetic_trace(std::size_t count);

}  // namespace memray
