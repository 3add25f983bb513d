#include "page.h"

#include <catch2/catch.hpp>

#include <sstream>

namespace memray::flamegraph {
namespace {

std::string html_of(std::string_view function, const std::string& title = "memray - flamegraph report") {
  FrameTable frames;
  TreeBuilder builder;
  const FrameNumber path[] = {frames.number({function, "/a.py", 1, FrameKind::python})};
  builder.add(path, 0, 4096, 1);
  Page page;
  page.title = title;
  page.frames = &frames;
  page.tree = std::move(builder).finish(frames);
  page.facts = {{"Command line", Page::Unit::text, 0, "python -c 'print(\"</script>\")'"}};
  std::ostringstream out;
  write_page(out, page);
  return out.str();
}

std::size_t occurrences(std::string_view text, std::string_view wanted) {
  std::size_t count = 0;
  for (std::size_t at = text.find(wanted); at != std::string_view::npos; at = text.find(wanted, at + 1)) ++count;
  return count;
}

}  // namespace

TEST_CASE("names of the program cannot leave the data element") {
  const std::string harmless = html_of("f");
  for (const std::string_view name :
       {"</script><script>alert(1)</script>", "<!--<script>", "@TITLE@ @DATA@", "a\"b\\c\n"}) {
    const std::string html = html_of(name);
    CHECK(occurrences(html, "<script") == occurrences(harmless, "<script"));
    CHECK(occurrences(html, "</script") == occurrences(harmless, "</script"));
    CHECK(occurrences(html, "<!--") == occurrences(harmless, "<!--"));
  }
  CHECK(html_of("</script>").find("\\u003c/script>") != std::string::npos);
}

TEST_CASE("the title is text") {
  CHECK(html_of("f", "a <b> & c").find("<title>a &lt;b> &amp; c</title>") != std::string::npos);
}

TEST_CASE("the page allows its own script and style and asks for nothing else") {
  const std::string html = html_of("f");
  CHECK(html.find("default-src 'none'; script-src 'sha256-") != std::string::npos);
  CHECK(html.find("memrayFlamegraph") != std::string::npos);
  CHECK(html.find("_HASH@") == std::string::npos);
  CHECK(html.find("unsafe-inline") == std::string::npos);
  CHECK(html.find("src=") == std::string::npos);
  CHECK(html.find("<link") == std::string::npos);
  CHECK(html.find("@import") == std::string::npos);
}

}  // namespace memray::flamegraph
