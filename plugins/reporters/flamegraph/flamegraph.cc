// memray flamegraph: who holds the memory, as a picture one can walk through.
#include "page.h"

#include <fmt/format.h>
#include <memray/reporter.h>

#include <algorithm>
#include <map>
#include <ostream>

namespace memray::flamegraph {
namespace {

struct Trees {
  FrameTable frames;
  Tree tree;
  Tree without_imports;
  std::vector<std::string> threads;
};

Trees build_trees(const Capture& capture, Snapshot snapshot, bool inverted, bool split) {
  Trees trees;
  TreeBuilder all, without_imports;
  std::map<ThreadId, std::uint32_t> number_of_thread;
  const auto thread_number = [&](ThreadId id) {
    const auto [place, fresh] = number_of_thread.try_emplace(id, static_cast<std::uint32_t>(trees.threads.size()));
    if (fresh) trees.threads.push_back(thread_label(capture.definitions(), id));
    return place->second;
  };
  // Numbers of stacks that are near to each other are near in the tree as well: the builder thrives on that.
  std::stable_sort(snapshot.groups.begin(), snapshot.groups.end(), [](const Group& a, const Group& b) {
    return std::tie(a.thread, a.stack, a.native_stack) < std::tie(b.thread, b.stack, b.native_stack);
  });

  std::vector<FrameNumber> path;
  for (const Group& group : snapshot.groups) {
    const std::uint32_t thread = split ? thread_number(group.thread) : 0;
    const std::vector<DisplayFrame> stack = display_stack(capture, group);  // innermost first
    path.clear();
    for (const DisplayFrame& frame : stack) path.push_back(trees.frames.number(frame));
    if (!inverted) std::reverse(path.begin(), path.end());
    all.add(path, thread, group.bytes, group.count);

    if (inverted) {
      // Of a stack that imports, only those who asked for the import are left.
      const auto outermost_import = std::find_if(stack.rbegin(), stack.rend(), is_import_system);
      if (outermost_import != stack.rend()) path.erase(path.begin(), path.end() - (outermost_import - stack.rbegin()));
      without_imports.add(path, thread, group.bytes, group.count);
    }
  }
  trees.tree = std::move(all).finish(trees.frames);
  if (inverted) trees.without_imports = std::move(without_imports).finish(trees.frames);
  return trees;
}

std::vector<std::string> notes(const Capture& capture, bool leaks) {
  const Metadata& metadata = capture.metadata();
  std::vector<std::string> notes;
  if (capture.damage()) notes.push_back(*capture.damage());
  if (metadata.dropped_events > 0) {
    notes.push_back(fmt::format("{} events were dropped while recording: the sizes shown are incomplete.",
                                metadata.dropped_events));
  }
  const std::string& allocator = metadata.python_allocator;
  if (leaks && !allocator.empty() && allocator != "malloc" && !metadata.trace_python_allocators) {
    notes.push_back(
        fmt::format("Python's own allocator ({}) was in use and not traced. It keeps the memory of freed objects for "
                    "reuse, so some of what is shown was freed by the program. Record with PYTHONMALLOC=malloc in the "
                    "environment to tell the difference.",
                    allocator));
  }
  return notes;
}

std::vector<Page::Fact> facts(const Capture& capture, const Snapshot& snapshot, bool leaks) {
  const Metadata& metadata = capture.metadata();
  const Totals& totals = capture.totals();
  const auto start = static_cast<std::uint64_t>(std::max<std::int64_t>(metadata.start_time_ns, 0)) / 1'000'000;
  const auto duration = static_cast<std::uint64_t>(std::max<std::int64_t>(nanoseconds(metadata.end), 0)) / 1'000'000;

  std::vector<Page::Fact> facts;
  const auto text = [&](std::string_view label, std::string value) {
    if (!value.empty()) facts.push_back({label, Page::Unit::text, 0, std::move(value)});
  };
  const auto number = [&](std::string_view label, Page::Unit unit, std::uint64_t value) {
    facts.push_back({label, unit, value, {}});
  };
  text("Command line", metadata.command_line);
  number("Started", Page::Unit::epoch_milliseconds, start);
  number("Ended", Page::Unit::epoch_milliseconds, start + duration);
  number("Duration", Page::Unit::milliseconds, duration);
  text("Ending", describe(metadata.ending));
  number("Allocations", Page::Unit::count, totals.allocations);
  number("Allocated in total", Page::Unit::bytes, totals.allocated_bytes);
  number("Peak memory", Page::Unit::bytes, totals.peak_bytes);
  if (!leaks)
    number("Time of the peak", Page::Unit::milliseconds,
           static_cast<std::uint64_t>(std::max<std::int64_t>(nanoseconds(snapshot.time), 0)) / 1'000'000);
  number(leaks ? "Not freed" : "Allocations at the peak", Page::Unit::count, snapshot.count);
  if (leaks) number("Bytes not freed", Page::Unit::bytes, snapshot.bytes);
  text("Python", metadata.python_version);
  text("Python allocator", metadata.python_allocator);
  text("Hooks", metadata.hooks);
  text("Unwinders", metadata.unwinders);
  text("Recorded by", metadata.memray_version.empty() ? "" : "memray " + metadata.memray_version);
  return facts;
}

class Flamegraph : public Reporter {
 public:
  void declare(ReporterOptions& options) const override {
    options.views();
    options.output_file(".html");
    options.flag("inverted", '\0', "Put the functions that allocate next to the root, their callers above them");
    options.flag("split-threads", '\0', "Show the threads apart");
  }

  int run(ReportContext& context) override {
    const Capture& capture = context.capture();
    std::ostream& out = context.output();
    const bool inverted = context.flag("inverted");
    const bool split = context.flag("split-threads");
    const bool leaks = context.view() == View::leaks;

    Snapshot live = snapshot(capture, context.selection(), {.merge_threads = !split});
    Page page;
    page.title =
        fmt::format("memray - {}flamegraph report{}", inverted ? "inverted " : "", leaks ? " (memory leaks)" : "");
    page.leaks = leaks;
    page.inverted = inverted;
    page.facts = facts(capture, live, leaks);
    page.notes = notes(capture, leaks);
    page.memory = memory_curve(capture.memory_samples());

    Trees trees = build_trees(capture, std::move(live), inverted, split);
    page.frames = &trees.frames;
    page.tree = std::move(trees.tree);
    page.without_imports = std::move(trees.without_imports);
    page.threads = std::move(trees.threads);
    write_page(out, page);
    context.commit_output();
    return 0;
  }
};

}  // namespace
}  // namespace memray::flamegraph

MEMRAY_REPORTER(memray::flamegraph::Flamegraph, "flamegraph",
                "Write a flame graph of memory as one self-contained HTML file", "1.0")
