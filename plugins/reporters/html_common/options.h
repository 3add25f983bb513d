// The options that every report with a page has.
#pragma once

#include "html_common/source_lines.h"

#include <memray/reporter.h>

#include <cstddef>
#include <string>

namespace memray::html {

inline constexpr auto kDefaultSourceLink = "vscode://file{file}:{line}";

struct PageOptions {
  Confidential confidential = Confidential::by_permissions;
  std::string source_link;  // with {file} and perhaps {line} in it; empty for none
  std::size_t memory_records = 0;
};

void declare_page_options(ReporterOptions& options);

// Throws ReportError.
PageOptions page_options(const ReportContext& context);

}  // namespace memray::html
