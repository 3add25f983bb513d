// memray flamegraph: who holds the memory, as a picture one can walk through.
#include "temporal.h"

#include <memray/reporter.h>

#include <limits>
#include <ostream>

namespace memray::flamegraph {
namespace {

std::string source_link(const ReportContext& context) {
  const std::string link = context.text("source-link");
  if (!context.given("source-link") && html::confidential_files(context) == html::Confidential::all) return {};
  if (link == "none") return {};
  if (link == "vscode") return "vscode://file{file}:{line}";
  if (link == "idea") return "idea://open?file={file}&line={line}";
  if (link.find("{file}") == std::string::npos || link.find(':') == std::string::npos) {
    throw ReportError(
        "--source-link takes vscode, idea, none, or an address with {file} in it and perhaps {line}, not '" + link +
        "'");
  }
  return link;
}

class Flamegraph : public Reporter {
 public:
  void declare(ReporterOptions& options) const override {
    options.views();
    options.output_file(".html");
    options.flag("inverted", '\0', "Put the functions that allocate next to the root, their callers above them");
    options.flag("split-threads", '\0', "Show the threads apart");
    options.flag("temporal", '\0', "Show any moment: a chart of memory over time to choose from");
    options.integer("max-memory-records", '\0', html::kDefaultMemoryRecords, 1,
                    std::numeric_limits<std::int32_t>::max(), "Points of memory over time to keep");
    html::declare_confidential_files(options);
    options.text("source-link", '\0', "vscode",
                 "What opens a source line: vscode, idea, none, or an address with {file} and {line} in it");
    options.flag("no-web", '\0', "Accepted for compatibility: every report is one file that loads nothing");
  }

  int run(ReportContext& context) override {
    const Capture& capture = context.capture();
    const Selection selection = context.selection();
    const bool over_time = context.flag("temporal");
    if (over_time && (selection.view == View::temporary || !selection.whole())) {
      throw ReportUsageError(
          "--temporal shows every moment: it does not go with --temporary-allocations, "
          "--temporary-allocation-threshold, --from or --to");
    }
    if (over_time) capture.require_events();
    std::ostream& out = context.output();
    const bool inverted = context.flag("inverted");
    const SnapshotOptions options = {.merge_threads = !context.flag("split-threads")};
    const auto points = static_cast<std::size_t>(context.integer("max-memory-records"));

    Page page;
    page.source_link = source_link(context);
    page.inverted = inverted;
    const Snapshot shown = snapshot(capture, selection, options);
    page.chrome = html::make_chrome(
        capture, shown, selection,
        fmt::format("{}{}flamegraph report", inverted ? "inverted " : "", over_time ? "temporal " : ""), points);
    FrameTable frames;
    page.frames = &frames;
    TemporalTrees over;
    if (over_time) {
      const TemporalKind kind = selection.view == View::leaks ? TemporalKind::leaks : TemporalKind::high_water;
      over = temporal_trees(capture, temporal(capture, kind, points, options), kind, frames, inverted,
                            !options.merge_threads);
      page.temporal = &over;
      page.threads = over.threads;
    } else {
      SnapshotTrees trees = snapshot_trees(capture, shown, frames, inverted, !options.merge_threads);
      page.tree = std::move(trees.tree);
      page.without_imports = std::move(trees.without_imports);
      page.threads = std::move(trees.threads);
      page.functions = function_sums(capture, shown, page.tree, frames);
    }
    html::SourceLines sources(html::confidential_files(context), capture.metadata().start_time_ns);
    write_page(out, page, sources);
    context.commit_output();
    return 0;
  }
};

}  // namespace
}  // namespace memray::flamegraph

MEMRAY_REPORTER(memray::flamegraph::Flamegraph, "flamegraph",
                "Write a flame graph of memory as one self-contained HTML file", "1.0")
