#include "html_common/chrome.h"

#include "html_common/packed.h"

#include <algorithm>
#include <array>

namespace memray::html {

namespace {

std::vector<std::string> notes(const Metadata& metadata, View view) {
  std::vector<std::string> notes;
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

std::vector<std::string> notes(const Capture& capture, View view) {
  std::vector<std::string> all = notes(capture.metadata(), view);
  if (capture.damage()) all.insert(all.begin(), *capture.damage());
  return all;
}

// That there are no single events of what was before somebody watched is no lack here.
std::vector<std::string> live_notes(const LiveReport& live) {
  Metadata metadata = live.capture.metadata();
  metadata.events_from = {};
  return notes(metadata, live.view);
}

std::string shown_command(const Metadata& metadata) { return shorten_middle(metadata.command_line, 2000); }

// The lines of the statistics dialog, those left out that say nothing.
class FactList {
 public:
  void text(std::string_view label, std::string value) {
    if (!value.empty()) facts_.push_back({label, Unit::text, 0, std::move(value)});
  }
  void number(std::string_view label, Unit unit, std::uint64_t value) { facts_.push_back({label, unit, value, {}}); }
  std::vector<Fact> take() && { return std::move(facts_); }

 private:
  std::vector<Fact> facts_;
};

std::uint64_t start_of(const Metadata& metadata) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(metadata.start_time_ns, 0)) / 1'000'000;
}

void add_what_ran(FactList& facts, const Metadata& metadata) {
  facts.text("Command line", shown_command(metadata));
  facts.text("Process", std::to_string(metadata.pid));
  facts.number("Started", Unit::epoch_milliseconds, start_of(metadata));
}

void add_totals(FactList& facts, const Totals& totals) {
  facts.number("Allocations", Unit::count, totals.allocations);
  facts.number("Allocated in total", Unit::bytes, totals.allocated_bytes);
  facts.number("Peak memory", Unit::bytes, totals.peak_bytes);
}

void add_how(FactList& facts, const Metadata& metadata) {
  facts.text("Python", metadata.python_version);
  facts.text("Python allocator", metadata.python_allocator);
  facts.text("Hooks", metadata.hooks);
  facts.text("Unwinders", metadata.unwinders);
  facts.text("Recorded by", metadata.memray_version.empty() ? "" : "memray " + metadata.memray_version);
}

std::vector<Fact> facts(const Capture& capture, const Snapshot& snapshot, const Selection& selection) {
  const Metadata& metadata = capture.metadata();
  const std::uint64_t duration = milliseconds(metadata.end);
  FactList facts;
  add_what_ran(facts, metadata);
  facts.number("Ended", Unit::epoch_milliseconds, start_of(metadata) + duration);
  facts.number("Duration", Unit::milliseconds, duration);
  facts.text("Ending", describe(metadata.ending));
  add_totals(facts, capture.totals());
  if (selection.from) facts.text("Shown from", duration_text(nanoseconds(*selection.from)));
  if (selection.to) facts.text("Shown to", duration_text(nanoseconds(*selection.to)));
  switch (selection.view) {
    case View::peak:
      facts.number(selection.whole() ? "Time of the peak" : "Time of the peak shown", Unit::milliseconds,
                   milliseconds(snapshot.time));
      if (!selection.whole()) facts.number("Peak memory shown", Unit::bytes, snapshot.bytes);
      facts.number("Allocations at the peak", Unit::count, snapshot.count);
      break;
    case View::leaks:
      facts.number("Allocations not freed", Unit::count, snapshot.count);
      facts.number("Bytes not freed", Unit::bytes, snapshot.bytes);
      break;
    case View::temporary:
      facts.number("Short-lived allocations", Unit::count, snapshot.count);
      facts.number("Bytes in them", Unit::bytes, snapshot.bytes);
      facts.number("Freed within so many allocations", Unit::count, selection.threshold);
      break;
  }
  add_how(facts, metadata);
  return std::move(facts).take();
}

std::vector<Fact> live_facts(const LiveReport& live) {
  const Metadata& metadata = live.capture.metadata();
  FactList facts;
  add_what_ran(facts, metadata);
  facts.number("Recorded so far", Unit::milliseconds, milliseconds(live.now));
  add_totals(facts, live.totals);
  facts.number("Allocations shown", Unit::count, live.snapshot.count);
  facts.number("Bytes shown", Unit::bytes, live.snapshot.bytes);
  add_how(facts, metadata);
  return std::move(facts).take();
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
          .memory = timeline(capture, max_points),
          .live = {}};
}

Chrome make_live_chrome(const LiveReport& live, std::string_view report) {
  const Metadata& metadata = live.capture.metadata();
  return {.title = fmt::format("memray - live {}", report),
          .view = live.view,
          .command_line = shown_command(metadata),
          .python_allocator = metadata.python_allocator,
          .traces_python_allocators = metadata.trace_python_allocators,
          .duration = milliseconds(live.now),
          .shown_at = milliseconds(live.snapshot.time),
          .facts = live_facts(live),
          .notes = live_notes(live),
          .memory = live.memory,
          .live = live.status};
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
  if (!chrome.live.empty()) json.json("live", chrome.live);
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
