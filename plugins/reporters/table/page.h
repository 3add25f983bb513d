// What a table's page holds, and how it is written down for the front end (web/src/rows.ts reads it).
#pragma once

#include "html_common/chrome.h"
#include "html_common/source_lines.h"
#include "rows.h"

#include <iosfwd>
#include <string>
#include <string_view>

namespace memray::table {

struct Page {
  html::Chrome chrome;
  const FrameTable* frames = nullptr;
  Rows table;
  std::string source_link;
};

std::string_view page_template();  // made from web/
std::string page_data(const Page& page, html::SourceLines& sources);
void write_page(std::ostream& out, const Page& page, html::SourceLines& sources);

}  // namespace memray::table
