// Pages as text: what a program's names may do to them, and how numbers are packed.
#include "html_common/page.h"
#include "html_common/frame_list.h"
#include "html_common/packed.h"
#include "page.h"

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace memray::flamegraph {
namespace {

std::string html_of(std::string_view function, const std::string& title = "memray - flamegraph report") {
  FrameTable frames;
  TreeBuilder builder;
  const FrameNumber path[] = {frames.number({function, "/a.py", 1, FrameKind::python})};
  builder.add(path, 0, {.bytes = 4096, .count = 1});
  Page page;
  page.chrome.title = title;
  page.chrome.command_line = "python -c 'print(\"</script>\")'";
  page.chrome.notes = {"<!-- a note"};
  page.frames = &frames;
  page.tree = std::move(builder).finish(frames);
  std::ostringstream out;
  html::SourceLines sources(html::Confidential::all, 0);
  write_page(out, page, sources);
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

TEST_CASE("a name of ten megabytes leaves a page that opens") {
  const std::string name(10'000'000, 'x');
  CHECK(html_of(name).size() < 200'000);
  CHECK(html_of(std::string(10'000'000, '<')).size() < 200'000);
  CHECK(html_of(std::string(1'000'000, '\xff')).size() < 200'000);
}

TEST_CASE("many long names are shortened to what a page can hold") {
  std::vector<std::string> names;
  for (int i = 0; i < 40'000; ++i) names.push_back(std::to_string(i) + std::string(300, 'n'));
  FrameTable table;
  html::FrameList list(table);
  for (const std::string& name : names) list.number(table.number({name, "<file>", 1, FrameKind::python}));
  html::SourceLines sources(html::Confidential::all, 0);
  html::Json json;
  json.open('{');
  list.add_to(json, sources);
  json.close('}');
  CHECK(std::move(json).take().size() < 3'000'000);
}

TEST_CASE("numbers are packed seven bits a byte, in base64") {
  const auto packed = [](std::initializer_list<std::uint64_t> numbers) { return html::pack(numbers); };
  CHECK(packed({}).empty());
  CHECK(packed({0}) == "AA==");
  CHECK(packed({1, 127}) == "AX8=");
  CHECK(packed({128}) == "gAE=");  // 0x80 0x01
  CHECK(packed({1, 2, 3}) == "AQID");
  html::Packed with_signs;
  for (const int number : {0, -1, 1, -64}) with_signs.add_signed(number);
  CHECK(with_signs.base64() == "AAECfw==");  // 0 1 2 127
}

TEST_CASE("source lines: by permission, by choice, and only of files as they were") {
  using html::Confidential;
  const auto folder = std::filesystem::temp_directory_path() / ("memray-source-" + std::to_string(getpid()));
  std::filesystem::create_directory(folder);
  const auto write = [&](const char* name, std::filesystem::perms permissions) {
    const std::string path = folder / name;
    std::ofstream(path) << "first\n    second = 2  \n";
    std::filesystem::permissions(path, permissions);
    return path;
  };
  using std::filesystem::perms;
  const std::string secret = write("secret.c", perms::owner_read),
                    open = write("open.c", perms::others_read | perms::owner_read);
  const std::string script = write("script.py", perms::owner_read),
                    tool = write("tool", perms::owner_read | perms::owner_exec);
  const auto line = [](Confidential confidential, const std::string& file, std::int64_t recorded = INT64_MAX) {
    html::SourceLines sources(confidential, recorded);
    return std::string(sources.line(file, 2));
  };
  for (const std::string& file : {open, script, tool}) {
    CHECK(line(Confidential::by_permissions, file) == "second = 2");
    CHECK(line(Confidential::all, file).empty());
    CHECK(line(Confidential::none, file) == "second = 2");
    CHECK(line(Confidential::none, file, 0).empty());
  }
  CHECK(line(Confidential::by_permissions, secret).empty());
  CHECK(line(Confidential::none, secret) == "second = 2");
  html::SourceLines sources(Confidential::none, INT64_MAX);
  CHECK(sources.line(open, 0).empty());
  CHECK(sources.line(open, 77).empty());
  CHECK(sources.line(folder.string(), 1).empty());
  CHECK(sources.line("/nowhere/at/all.py", 1).empty());
  std::filesystem::remove_all(folder);
}

}  // namespace memray::flamegraph
