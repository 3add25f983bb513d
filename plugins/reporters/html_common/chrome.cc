#include "html_common/chrome.h"

#include "html_common/packed.h"

#include <algorithm>
#include <array>

namespace memray::html {

namespace {

std::vector<std::string> notes(const Capture& capture, View view) {
  const Metadata& metadata = capture.metadata();
  std::vector<std::string> notes;
  if (capture.damage()) notes.push_back(*capture.damage());
  for (const std::string& text : reservations(metadata)) notes.push_back(text + ".");
  const std::string& allocator = metadata.python_allocator;
  if (view == View::leaks && !allocator.empty() && allocator != "malloc" && !metadata.trace_python_allocators) {
    notes.push_back(fmt::format(
        "Python's own allocator ({}) was in use and not traced. It keeps the memory of freed objects for "
        "reuse, so some of what is shown was freed by the program. Record with --trace-python-allocators, or "
        "with PYTHONMALLOC=malloc in the environment, to tell the difference.",
        allocator));
  }
  return notes;
}

std::string shown_command(const Metadata& metadata) { return shorten_middle(metadata.command_line, 2000); }

std::vector<Fact> facts(const Capture& capture, const Snapshot& snapshot, const Selection& selection) {
  const Metadata& metadata = capture.metadata();
  const Totals& totals = capture.totals();
  const auto start = static_cast<std::uint64_t>(std::max<std::int64_t>(metadata.start_time_ns, 0)) / 1'000'000;
  const std::uint64_t duration = milliseconds(metadata.end);

  std::vector<Fact> facts;
  const auto text = [&](std::string_view label, std::string value) {
    if (!value.empty()) facts.push_back({label, Unit::text, 0, std::move(value)});
  };
  const auto number = [&](std::string_view label, Unit unit, std::uint64_t value) {
    facts.push_back({label, unit, value, {}});
  };
  text("Command line", shown_command(metadata));
  text("Process", std::to_string(metadata.pid));
  number("Started", Unit::epoch_milliseconds, start);
  number("Ended", Unit::epoch_milliseconds, start + duration);
  number("Duration", Unit::milliseconds, duration);
  text("Ending", describe(metadata.ending));
  number("Allocations", Unit::count, totals.allocations);
  number("Allocated in total", Unit::bytes, totals.allocated_bytes);
  number("Peak memory", Unit::bytes, totals.peak_bytes);
  if (selection.from) text("Shown from", duration_text(nanoseconds(*selection.from)));
  if (selection.to) text("Shown to", duration_text(nanoseconds(*selection.to)));
  switch (selection.view) {
    case View::peak:
      number(selection.whole() ? "Time of the peak" : "Time of the peak shown", Unit::milliseconds,
             milliseconds(snapshot.time));
      if (!selection.whole()) number("Peak memory shown", Unit::bytes, snapshot.bytes);
      number("Allocations at the peak", Unit::count, snapshot.count);
      break;
    case View::leaks:
      number("Allocations not freed", Unit::count, snapshot.count);
      number("Bytes not freed", Unit::bytes, snapshot.bytes);
      break;
    case View::temporary:
      number("Short-lived allocations", Unit::count, snapshot.count);
      number("Bytes in them", Unit::bytes, snapshot.bytes);
      number("Freed within so many allocations", Unit::count, selection.threshold);
      break;
  }
  text("Python", metadata.python_version);
  text("Python allocator", metadata.python_allocator);
  text("Hooks", metadata.hooks);
  text("Unwinders", metadata.unwinders);
  text("Recorded by", metadata.memray_version.empty() ? "" : "memray " + metadata.memray_version);
  return facts;
}

std::string_view title_of(View view) {
  switch (view) {
    case View::peak:
      return "";
    case View::leaks:
      return " (memory leaks)";
    case View::temporary:
      return " (temporary allocations)";
  }
  return "";
}

void add_facts(Json& json, const std::vector<Fact>& facts) {
  constexpr std::array<std::string_view, 5> kUnits = {"text", "count", "bytes", "milliseconds", "epoch"};
  json.key("facts");
  json.open('[');
  for (const Fact& fact : facts) {
    json.open('{');
    json.field("label", fact.label);
    json.field("unit", kUnits[static_cast<std::size_t>(fact.unit)]);
    if (fact.unit == Unit::text) {
      json.field("value", fact.text);
    } else {
      json.field("value", fact.number);
    }
    json.close('}');
  }
  json.close(']');
}

}  // namespace

std::uint64_t milliseconds(Time time) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(nanoseconds(time), 0)) / 1'000'000;
}

Chrome make_chrome(const Capture& capture, const Snapshot& snapshot, const Selection& selection,
                   std::string_view report, std::size_t max_points) {
  const Metadata& metadata = capture.metadata();
  return {.title = fmt::format("memray - {}{}", report, title_of(selection.view)),
          .view = selection.view,
          .command_line = shown_command(metadata),
          .python_allocator = metadata.python_allocator,
          .traces_python_allocators = metadata.trace_python_allocators,
          .duration = milliseconds(metadata.end),
          .shown_at = milliseconds(snapshot.time),
          .facts = facts(capture, snapshot, selection),
          .notes = notes(capture, selection.view),
          .memory = timeline(capture, max_points)};
}

void add_chrome(Json& json, const Chrome& chrome) {
  json.key("chrome");
  json.open('{');
  json.field("title", chrome.title);
  json.field("view", name(chrome.view));
  json.field("command", chrome.command_line);
  json.field("allocator", chrome.python_allocator);
  json.field("tracesPython", chrome.traces_python_allocators);
  json.field("duration", chrome.duration);
  json.field("shownAt", chrome.shown_at);
  json.list("notes", chrome.notes);
  add_facts(json, chrome.facts);
  json.key("memory");
  json.open('{');
  std::uint64_t last = 0;
  json.field("time", pack(chrome.memory, [&](const TimelinePoint& point) {
               const std::uint64_t time = milliseconds(point.time);
               return time - std::exchange(last, time);
             }));
  json.field("rss", pack(chrome.memory, [](const TimelinePoint& point) { return point.rss; }));
  json.field("heap", pack(chrome.memory, [](const TimelinePoint& point) { return point.heap; }));
  json.close('}');
  json.close('}');
}

}  // namespace memray::html
