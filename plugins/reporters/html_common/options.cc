#include "html_common/options.h"

#include <fmt/format.h>

#include <limits>

namespace memray::html {

namespace {

constexpr std::int64_t kMemoryRecords = 10'000;

std::string source_link(const ReportContext& context, Confidential confidential) {
  std::string link = context.text("source-link");
  // Addresses name files, which somebody who keeps all source to themselves may not want either.
  if (!context.given("source-link") && confidential == Confidential::all) return {};
  if (link == "none") return {};
  if (link == "vscode") return kDefaultSourceLink;
  if (link == "idea") return "idea://open?file={file}&line={line}";
  if (link.find("{file}") == std::string::npos || link.find(':') == std::string::npos) {
    throw ReportError(fmt::format(
        "--source-link takes vscode, idea, none, or an address with {{file}} and perhaps {{line}} in it, not '{}'",
        link));
  }
  return link;
}

}  // namespace

void declare_page_options(ReporterOptions& options) {
  options.integer("max-memory-records", '\0', kMemoryRecords, 1, std::numeric_limits<std::int32_t>::max(),
                  "Points of memory over time to keep");
  options.choice("confidential-files", '\0', {"default", "all", "none"}, "default",
                 "Whose source lines stay out of the page: by default files other than Python's that not everybody on "
                 "this machine may read or run");
  options.text("source-link", '\0', "vscode",
               "What opens a source line: vscode, idea, none, or an address with {file} and {line} in it");
  options.flag("no-web", '\0', "Accepted for compatibility: every page is one file that loads nothing");
}

PageOptions page_options(const ReportContext& context) {
  const std::string choice = context.text("confidential-files");
  const Confidential confidential = choice == "all"    ? Confidential::all
                                    : choice == "none" ? Confidential::none
                                                       : Confidential::by_permissions;
  return {confidential, source_link(context, confidential),
          static_cast<std::size_t>(context.integer("max-memory-records"))};
}

}  // namespace memray::html
