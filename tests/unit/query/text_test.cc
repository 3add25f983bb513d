#include <memray/text.h>

#include <catch2/catch.hpp>

namespace memray {

TEST_CASE("sizes in SI units") {
  REQUIRE(size_text(0) == "0B");
  REQUIRE(size_text(999) == "999B");
  REQUIRE(size_text(1000) == "1.000kB");
  REQUIRE(size_text(8986) == "8.986kB");
  REQUIRE(size_text(999'999) == "999.999kB");
  REQUIRE(size_text(999'999'600) == "1.000GB");
  REQUIRE(size_text(12'345'678) == "12.346MB");
  REQUIRE(size_text(0xffff'ffff'ffff'ffff) == "18.447EB");
}

TEST_CASE("percentages") {
  REQUIRE(percent_text(1, 3) == "33.33%");
  REQUIRE(percent_text(5, 0) == "0.00%");
}

TEST_CASE("alignment counts characters, not bytes") {
  REQUIRE(text_width("naïve") == 5);
  REQUIRE(pad_left("é", 3) == "  é");
  REQUIRE(pad_right("é", 3) == "é  ");
  REQUIRE(pad_right("long", 2) == "long");
}

TEST_CASE("shortening") {
  REQUIRE(shorten_middle("abcdefghij", 10) == "abcdefghij");
  REQUIRE(shorten_middle("abcdefghij", 5) == "ab…ij");
  REQUIRE(shorten_middle("abcdefghij", 1) == "…");
  REQUIRE(shorten_middle("ääääää", 3) == "ä…ä");
  REQUIRE(shorten_path("/usr/lib/python3/json/decoder.py", 20) == "…/json/decoder.py");
  REQUIRE(shorten_path("/usr/lib/a_rather_long_module_name.py", 11) == "a_rat…me.py");
  for (std::size_t width = 0; width < 40; ++width)
    REQUIRE(text_width(shorten_path("/usr/lib/python3/json/decoder.py", width)) <= width);
}

TEST_CASE("text for terminals has no control characters") {
  REQUIRE(printable("plain ünicode") == "plain ünicode");
  REQUIRE(printable("a\nb\tc\x1b[31m") == "a\\nb\\tc\\x1b[31m");
  REQUIRE(printable("\xc2\x9b") == "\\x9b");  // the one-character form of ESC [
  REQUIRE(printable("\xff\xfe") == "\xef\xbf\xbd\xef\xbf\xbd");
  REQUIRE(printable("\xe2\x82") == "\xef\xbf\xbd\xef\xbf\xbd");  // cut short
}

TEST_CASE("JSON strings") {
  REQUIRE(json_string("a\"b\\c\n\x01") == R"("a\"b\\c\n\u0001")");
  REQUIRE(json_string("é\xff") == "\"é\xef\xbf\xbd\"");
  REQUIRE(json_string("\xed\xa0\x80").size() == 2 + 3 * 3);  // a surrogate is no character
}

}  // namespace memray
