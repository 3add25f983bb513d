// memray flamegraph: who holds the memory, as a picture one can walk through.
#include "html_common/live_sources.h"
#include "html_common/options.h"
#include "html_common/page.h"
#include "temporal.h"

#include <memray/reporter.h>

#include <ostream>

namespace memray::flamegraph {
namespace {

// Sent once a second, so less of what nobody could see.
constexpr Pruning kLivePruning = {.limit = 3e-4, .max_nodes = 15'000};

class Flamegraph : public Reporter {
 public:
  void declare(ReporterOptions& options) const override {
    options.views();
    options.output_file(".html");
    options.flag("inverted", '\0', "Put the functions that allocate next to the root, their callers above them");
    options.flag("split-threads", '\0', "Show the threads apart");
    options.flag("temporal", '\0', "Show any moment: a chart of memory over time to choose from");
    html::declare_page_options(options);
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
    const html::PageOptions page_options = html::page_options(context);
    std::ostream& out = context.output();
    const bool inverted = context.flag("inverted");
    const SnapshotOptions options = {.merge_threads = !context.flag("split-threads")};

    Page page;
    page.source_link = page_options.source_link;
    page.inverted = inverted;
    const Snapshot shown = snapshot(capture, selection, options);
    page.chrome = html::make_chrome(
        capture, shown, selection,
        fmt::format("{}{}flamegraph report", inverted ? "inverted " : "", over_time ? "temporal " : ""),
        page_options.memory_records);
    FrameTable frames;
    page.frames = &frames;
    TemporalTrees over;
    if (over_time) {
      const TemporalKind kind = selection.view == View::leaks ? TemporalKind::leaks : TemporalKind::high_water;
      over = temporal_trees(capture, temporal(capture, kind, page_options.memory_records, options), kind, frames,
                            inverted, !options.merge_threads);
      page.temporal = &over;
      page.threads = over.threads;
    } else {
      SnapshotTrees trees = snapshot_trees(capture, shown, frames, inverted, !options.merge_threads);
      page.tree = std::move(trees.tree);
      page.without_imports = std::move(trees.without_imports);
      page.threads = std::move(trees.threads);
      page.functions = function_sums(capture, shown, page.tree, frames);
    }
    html::SourceLines sources(page_options.confidential, capture.metadata().start_time_ns);
    write_page(out, page, sources);
    context.commit_output();
    return 0;
  }

  bool follows() const override { return true; }

  LivePage live(const LiveReport& report, bool html) override {
    Page page;
    page.source_link = html::kDefaultSourceLink;
    page.chrome = html::make_live_chrome(report, "flamegraph");
    FrameTable frames;
    page.frames = &frames;
    page.tree = live_tree(report.capture, report.snapshot, frames, kLivePruning);
    page.functions = function_sums(report.capture, report.snapshot, page.tree, frames);
    const std::string data = page_data(page, sources_.of(report.capture));
    return {data, html ? html::live_page(page_template(), page.chrome.title, data) : std::string()};
  }

 private:
  html::LiveSources sources_;
};

}  // namespace
}  // namespace memray::flamegraph

MEMRAY_REPORTER(memray::flamegraph::Flamegraph, "flamegraph",
                "Write a flame graph of memory as one self-contained HTML file", "1.0")
