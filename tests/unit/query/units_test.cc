#include <memray/text.h>

#include <catch2/catch.hpp>

namespace memray::test {

TEST_CASE("sizes as people write them") {
  const auto accepts = [](const char* text, std::uint64_t bytes) {
    CAPTURE(text);
    REQUIRE(parse_size(text) == bytes);
  };
  accepts("0", 0);
  accepts("512", 512);
  accepts("512B", 512);
  accepts("1.5kB", 1500);
  accepts("512MB", 512'000'000);
  accepts("512mb", 512'000'000);
  accepts("2G", 2'000'000'000);
  accepts("4KiB", 4096);
  accepts("1GiB", 1u << 30);
  accepts("1 MiB", 1u << 20);
  for (const char* text :
       {"", "MB", "5x", "1.2.3MB", "-5", "5%", "1kkB", "iB", "5iB", "nan", "inf", "1e400", "99EB", "1 0"}) {
    CAPTURE(text);
    REQUIRE(!parse_size(text));
  }
}

TEST_CASE("durations as people write them, and back") {
  REQUIRE(parse_duration("1.5") == 1'500'000'000);
  REQUIRE(parse_duration("1.5s") == 1'500'000'000);
  REQUIRE(parse_duration("300ms") == 300'000'000);
  REQUIRE(parse_duration("20us") == 20'000);
  REQUIRE(parse_duration("7ns") == 7);
  REQUIRE(parse_duration("2m") == 120'000'000'000);
  REQUIRE(parse_duration("1h") == 3'600'000'000'000);
  for (const char* text : {"", "s", "-1s", "5 days", "1e99", "1:30"}) REQUIRE(!parse_duration(text));
  REQUIRE(duration_text(1'234'000'000) == "1.234s");
  REQUIRE(duration_text(12'500'000) == "12.5ms");
  REQUIRE(duration_text(123'400'000'000) == "2m03.4s");
}

}  // namespace memray::test
