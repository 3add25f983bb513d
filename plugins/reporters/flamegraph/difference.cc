#include "difference.h"

#include "page.h"

#include <algorithm>

namespace memray::flamegraph {

namespace {

using html::Fact;
using html::Unit;

void add_facts(std::vector<Fact>& facts, const DifferenceSide& side, View view, bool before) {
  const Metadata& metadata = side.capture.metadata();
  facts.push_back({before ? "Before" : "After", Unit::text, 0, side.capture.path()});
  facts.push_back({before ? "Command line before" : "Command line after", Unit::text, 0,
                   shorten_middle(metadata.command_line, 2000)});
  facts.push_back({before ? "Bytes before" : "Bytes after", Unit::bytes, side.snapshot.bytes, {}});
  facts.push_back({before ? "Allocations before" : "Allocations after", Unit::count, side.snapshot.count, {}});
  if (view != View::peak) return;
  facts.push_back(
      {before ? "Moment before" : "Moment after", Unit::milliseconds, html::milliseconds(side.snapshot.time), {}});
}

}  // namespace

void write_difference(std::ostream& out, const DifferenceSide& before, const DifferenceSide& after,
                      const Selection& selection, const html::PageOptions& options) {
  FrameTable frames;
  TreeBuilder builder;
  std::vector<FrameNumber> path;
  const Diff difference = diff(before.capture, before.snapshot, after.capture, after.snapshot);
  for (const DiffRow& row : difference.rows) {
    path.clear();
    for (DisplayFrame frame : row.stack) {
      frame.line = 0;
      path.push_back(frames.number(frame));
    }
    std::reverse(path.begin(), path.end());
    builder.add(path, 0, {row.bytes_after, row.count_after, row.bytes_before, row.count_before});
  }

  Page page;
  page.chrome =
      html::make_chrome(after.capture, after.snapshot, selection, "difference report", options.memory_records);
  page.chrome.memory.clear();  // there are two
  page.chrome.facts.clear();
  add_facts(page.chrome.facts, before, selection.view, true);
  add_facts(page.chrome.facts, after, selection.view, false);
  page.difference = true;
  page.frames = &frames;
  page.tree = std::move(builder).finish(frames);
  html::SourceLines sources(html::Confidential::all, 0);
  write_page(out, page, sources);
}

}  // namespace memray::flamegraph
