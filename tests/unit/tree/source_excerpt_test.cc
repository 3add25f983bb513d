#include "source_excerpt.h"

#include <catch2/catch.hpp>

#include "recording.h"

namespace memray::tree {

TEST_CASE("an excerpt has the line in its middle") {
  test::TemporaryFile file;
  {
    std::ofstream out(file.path());
    for (int i = 1; i <= 20; ++i) out << "\tline " << i << "\x1b\n";
  }
  const auto lines = source_excerpt(file.path(), 10, 5);
  REQUIRE(lines.size() == 5);
  REQUIRE(lines.front().number == 8);
  REQUIRE(lines[2].text == "    line 10\\x1b");
  REQUIRE(source_excerpt(file.path(), 1, 5).front().number == 1);
  REQUIRE(source_excerpt(file.path(), 20, 5).back().number == 20);
}

TEST_CASE("no excerpt where there is no such line") {
  test::TemporaryFile file;
  std::ofstream(file.path()) << "one\n";
  REQUIRE(source_excerpt(file.path(), 2, 5).empty());
  REQUIRE(source_excerpt(file.path(), 0, 5).empty());
  REQUIRE(source_excerpt("/", 1, 5).empty());
  REQUIRE(source_excerpt("<frozen importlib>", 1, 5).empty());
}

}  // namespace memray::tree
