// What every page says besides its picture or table: heading, statistics, warnings, memory over time.
#pragma once

#include "html_common/json.h"

#include <memray/reporter.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace memray::html {

enum class Unit { text, count, bytes, milliseconds, epoch_milliseconds };

// A line of the statistics dialog.
struct Fact {
  std::string_view label;
  Unit unit = Unit::text;
  std::uint64_t number = 0;
  std::string text;  // where `number` is not what is meant
};

struct Chrome {
  std::string title;
  View view = View::peak;
  std::string command_line;
  std::string python_allocator;  // empty for a program without Python
  bool traces_python_allocators = false;
  std::uint64_t duration = 0;  // milliseconds
  std::uint64_t shown_at = 0;  // milliseconds; the peak
  std::vector<Fact> facts;
  std::vector<std::string> notes;  // what a reader has to know before trusting the numbers
  std::vector<TimelinePoint> memory;
  std::string live;  // JSON, of a page that follows a recording
};

// `report` is "flamegraph report" or the like; `max_points` of memory over time are kept.
Chrome make_chrome(const Capture& capture, const Snapshot& snapshot, const Selection& selection,
                   std::string_view report, std::size_t max_points);

// Of a recording that is still made.
Chrome make_live_chrome(const LiveReport& live, std::string_view report);

// Adds the field "chrome".
void add_chrome(Json& json, const Chrome& chrome);

std::uint64_t milliseconds(Time time);

}  // namespace memray::html
