#include "page.h"

#include "html_common/frame_list.h"
#include "html_common/packed.h"
#include "html_common/page.h"

#include <memray/mapping.h>

#include <ostream>

namespace memray::table {

std::string page_data(const Page& page, html::SourceLines& sources) {
  html::Json json;
  html::FrameList frames(*page.frames);
  const std::vector<Row>& rows = page.table.rows;
  json.open('{');
  add_chrome(json, page.chrome);
  json.field("sourceLink", page.source_link);
  json.key("rows");
  json.open('{');
  json.field("frame", html::pack(rows, [&](const Row& row) { return frames.number(row.frame); }));
  json.field("bytes", html::pack(rows, [](const Row& row) { return row.bytes; }));
  json.field("count", html::pack(rows, [](const Row& row) { return row.count; }));
  json.field("allocator", html::pack(rows, [](const Row& row) { return static_cast<std::uint64_t>(row.allocator); }));
  json.field("thread", html::pack(rows, [](const Row& row) { return std::uint64_t{row.thread}; }));
  json.close('}');
  json.field("merged", page.table.merged);
  json.key("allocators");
  json.open('[');
  for (std::uint8_t i = 0; i <= static_cast<std::uint8_t>(kLastAllocator); ++i) {
    json.value(i == 0 ? std::string_view() : name(Allocator{i}));
  }
  json.close(']');
  json.list("threads", page.table.threads);
  frames.add_to(json, sources);
  json.close('}');
  return std::move(json).take();
}

void write_page(std::ostream& out, const Page& page, html::SourceLines& sources) {
  html::write_page(out, page_template(), page.chrome.title, page_data(page, sources));
}

}  // namespace memray::table
