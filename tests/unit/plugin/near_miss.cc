#include "plugin/near_miss.h"

#include <catch2/catch.hpp>

#include <vector>

using memray::near_miss;

TEST_CASE("near misses are found, far ones are not") {
  const std::vector<std::string> names{"flamegraph", "summary", "stats", "parse", "run"};
  const auto [typed, meant] = GENERATE(table<std::string, std::string>({
      {"flamegrpah", "flamegraph"},  // swapped
      {"flamegrap", "flamegraph"},   // cut off
      {"flame", "flamegraph"},       // the beginning
      {"sumary", "summary"},         // one missing
      {"statts", "stats"},           // one too many
      {"stets", "stats"},            // one wrong
      {"rnu", "run"},
      {"stats", "stats"},
      {"tree", ""},
      {"x", ""},
      {"", ""},
      {"memory", ""},
  }));
  CAPTURE(typed);
  CHECK(near_miss(typed, names) == meant);
}

TEST_CASE("the nearest of several wins, the first of equals") {
  CHECK(near_miss("parse", std::vector<std::string>{"parses", "parse"}) == "parse");
  CHECK(near_miss("cat", std::vector<std::string>{"bat", "car"}) == "bat");
  CHECK(near_miss("cat", {}).empty());
}
