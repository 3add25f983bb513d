// memray table: every place that holds memory, to be sorted and searched.
#include "page.h"

#include "html_common/live_sources.h"
#include "html_common/options.h"
#include "html_common/page.h"

#include <memray/reporter.h>

#include <ostream>

namespace memray::table {
namespace {

constexpr std::size_t kMostLiveRows = 5'000;  // sent once a second

class Table : public Reporter {
 public:
  void declare(ReporterOptions& options) const override {
    options.views();
    options.output_file(".html");
    options.flag("split-threads", '\0', "Show the threads apart");
    html::declare_page_options(options);
  }

  int run(ReportContext& context) override {
    const Capture& capture = context.capture();
    const html::PageOptions options = html::page_options(context);
    std::ostream& out = context.output();
    const bool split = context.flag("split-threads");
    const Snapshot shown = snapshot(capture, context.selection(), {.merge_threads = !split});
    FrameTable frames;
    const Page page = {
        .chrome = html::make_chrome(capture, shown, context.selection(), "table report", options.memory_records),
        .frames = &frames,
        .table = make_rows(capture, shown, frames, split),
        .source_link = options.source_link};
    html::SourceLines sources(options.confidential, capture.metadata().start_time_ns);
    write_page(out, page, sources);
    context.commit_output();
    return 0;
  }

  bool follows() const override { return true; }

  LivePage live(const LiveReport& report, bool html) override {
    FrameTable frames;
    const Page page = {.chrome = html::make_live_chrome(report, "table"),
                       .frames = &frames,
                       .table = make_rows(report.capture, report.snapshot, frames, false, kMostLiveRows),
                       .source_link = html::kDefaultSourceLink};
    const std::string data = page_data(page, sources_.of(report.capture));
    return {data, html ? html::live_page(page_template(), page.chrome.title, data) : std::string()};
  }

 private:
  html::LiveSources sources_;
};

}  // namespace
}  // namespace memray::table

MEMRAY_REPORTER(memray::table::Table, "table",
                "Write a table of the places that hold memory as one self-contained HTML file", "1.0")
