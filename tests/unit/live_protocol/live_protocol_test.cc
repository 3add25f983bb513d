#include "live/connection.h"

#include <memray/live_protocol.h>
#include <catch2/catch.hpp>

#include <cstdlib>
#include <string>
#include <string_view>

using namespace memray::live;

namespace {

template <typename Bytes>
std::string text(const Bytes& bytes) {
  return {bytes.data(), bytes.size()};
}

}  // namespace

TEST_CASE("a request is what docs/live.md says") {
  const std::string token = "0123456789abcdef0123456789abcdef";
  const std::string bytes = text(request_bytes({1, token}));
  CHECK(bytes == std::string("MRAYLIVE\x01\0\0\0\0\0\0\0", 16) + token);
  CHECK(text(request_bytes({0x1234, "abc"})) ==
        std::string("MRAYLIVE\x34\x12\0\0\0\0\0\0abc", 19) + std::string(29, '\0'));
  const auto request = parse_request(bytes);
  REQUIRE(request);
  CHECK(request->version == 1);
  CHECK(request->token == token);
  CHECK(parse_request(text(request_bytes({1, ""})))->token.empty());
}

TEST_CASE("what is no request is none, whatever is cut off or changed") {
  const std::string bytes = text(request_bytes({1, "token"}));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CHECK(may_be_request(bytes.substr(0, size)));
    CHECK_FALSE(parse_request(bytes.substr(0, size)));
  }
  CHECK_FALSE(parse_request(bytes + "x"));
  for (std::size_t i = 0; i < kMagic.size(); ++i) {
    for (int change = 1; change < 256; ++change) {
      std::string wrong = bytes;
      wrong[i] = static_cast<char>(wrong[i] ^ change);
      CHECK_FALSE(may_be_request(wrong.substr(0, i + 1)));
      CHECK_FALSE(parse_request(wrong));
    }
  }
}

TEST_CASE("an answer is what docs/live.md says") {
  CHECK(text(answer_bytes(Answer::wrong_token)) == std::string("MRAYLIVE\x01\0\x02\0\0\0\0\0", 16));
  for (const Answer answer : {Answer::welcome, Answer::other_version, Answer::wrong_token, Answer::too_many})
    CHECK(parse_answer(text(answer_bytes(answer)))->answer == answer);
  CHECK_FALSE(parse_answer("HTTP/1.1 400 Bad"));
  CHECK_FALSE(parse_answer("MRAYLIVE"));
}

TEST_CASE("tokens are equal or not") {
  CHECK(same_token("abc", "abc"));
  CHECK_FALSE(same_token("abc", "abd"));
  CHECK_FALSE(same_token("abc", "ab"));
  CHECK_FALSE(same_token("", "a"));
}

TEST_CASE("addresses as users type them") {
  unsetenv("MEMRAY_LIVE_TOKEN");
  CHECK(parse_address("4242").port == 4242);
  CHECK(parse_address("4242").host.empty());
  CHECK(parse_address("4242#secret").token == "secret");
  CHECK(parse_address("host:1").host == "host");
  CHECK(parse_address("[::1]:65535").host == "::1");
  CHECK(to_string(parse_address("[::1]:65535#x")) == "[::1]:65535");
  CHECK(to_string(parse_address("4242")) == "127.0.0.1:4242");
  CHECK(parse_address("unix:/a#b").path == "/a#b");
  setenv("MEMRAY_LIVE_TOKEN", "of the environment", 1);
  CHECK(parse_address("4242").token == "of the environment");
  CHECK(parse_address("4242#mine").token == "mine");
  for (const char* wrong : {"", "x", "1x", "host:", ":", "unix:", "1 "})
    CHECK_THROWS_AS(parse_address(wrong), std::invalid_argument);
  for (const char* wrong : {"0", "65536", "-1", "host:0", "99999999999999999999"})
    CHECK_THROWS_AS(parse_address(wrong), std::out_of_range);
}
