#include "html_common/page.h"

#include <ostream>
#include <sstream>
#include <utility>

namespace memray::html {

namespace {

// Between <script> tags "<" could begin the end tag or a comment. In JSON it only occurs in strings, where an escape
// says the same.
void write_escaped_json(std::ostream& out, std::string_view json) {
  for (std::size_t next = json.find('<'); next != std::string_view::npos; next = json.find('<')) {
    out << json.substr(0, next) << "\\u003c";
    json.remove_prefix(next + 1);
  }
  out << json;
}

void write_escaped_text(std::ostream& out, std::string_view text) {
  for (const char c : text) {
    switch (c) {
      case '<':
        out << "&lt;";
        break;
      case '&':
        out << "&amp;";
        break;
      default:
        out << c;
    }
  }
}

}  // namespace

void write_page(std::ostream& out, std::string_view page_template, std::string_view title, std::string_view json) {
  constexpr std::string_view kTitle = "@TITLE@";
  constexpr std::string_view kData = "@DATA@";
  const std::size_t title_at = page_template.find(kTitle);
  const std::size_t data_at = page_template.find(kData, title_at);
  out << page_template.substr(0, title_at);
  write_escaped_text(out, title);
  out << page_template.substr(title_at + kTitle.size(), data_at - title_at - kTitle.size());
  write_escaped_json(out, json);
  out << page_template.substr(data_at + kData.size());
}

std::string live_page(std::string_view page_template, std::string_view title, std::string_view json) {
  constexpr std::string_view kNothing = "default-src 'none'";
  constexpr std::string_view kIts = "default-src 'none'; connect-src 'self'; img-src data:";
  // A browser would ask for /favicon.ico, without the token.
  constexpr std::string_view kIcon = "<link rel=\"icon\" href=\"data:,\">\n";
  std::ostringstream out;
  write_page(out, page_template, title, json);
  std::string page = std::move(out).str();
  page.replace(page.find(kNothing), kNothing.size(), kIts);
  return page.insert(page.find("</head>"), kIcon);
}

}  // namespace memray::html
