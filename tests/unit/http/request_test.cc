#include "http/request.h"

#include <catch2/catch.hpp>

#include <string>

using namespace memray::http;

namespace {

const std::string kToken = "0123456789abcdef0123456789abcdef";

std::string head(const std::string& line, const std::string& headers = "Host: 127.0.0.1:4242\r\n") {
  return line + "\r\n" + headers + "\r\n";
}

std::string get(const std::string& headers) { return head("GET /?token=" + kToken + " HTTP/1.1", headers); }

// The status of the refusal, or 200.
int status(const std::string& text, std::string_view token = kToken) {
  const auto asked = admit(text, token);
  const auto* refusal = std::get_if<Refusal>(&asked);
  return refusal != nullptr ? refusal->status : 200;
}

}  // namespace

TEST_CASE("path and parameters of a request that is admitted") {
  const auto asked =
      admit(head("GET /table/events?view=peak&token=" + kToken + "&x=a=b&y&view=other HTTP/1.1"), kToken);
  const auto* request = std::get_if<Request>(&asked);
  REQUIRE(request != nullptr);
  CHECK(request->path == "/table/events");
  CHECK(request->parameter("view") == "peak");
  CHECK(request->parameter("x") == "a=b");
  CHECK(request->parameter("y").empty());
  CHECK(request->parameter("z").empty());
}

TEST_CASE("a request needs the token") {
  const std::string host = "Host: localhost\r\n";
  CHECK(status(get(host)) == 200);
  CHECK(status(head("GET / HTTP/1.1")) == 403);
  CHECK(status(head("GET /?token= HTTP/1.1")) == 403);
  CHECK(status(head("GET /?token=" + kToken.substr(1) + " HTTP/1.1")) == 403);
  CHECK(status(head("GET /?token=" + kToken + "0 HTTP/1.1")) == 403);
  CHECK(status(head("GET /?token=1123456789abcdef0123456789abcdef HTTP/1.1")) == 403);
  CHECK(status(head("GET /?token=0123456789abcdef0123456789abcdeg HTTP/1.1")) == 403);
  CHECK(status(head("GET /?Token=" + kToken + " HTTP/1.1")) == 403);
  CHECK(status(head("GET /?token=x&token=" + kToken + " HTTP/1.1")) == 403);
  CHECK(status(head("GET /" + kToken + " HTTP/1.1", host + "Cookie: token=" + kToken + "\r\n")) == 403);
  CHECK(status(head("GET /?token= HTTP/1.1"), "") == 403);  // no token is nobody's
}

TEST_CASE("a request is meant for this machine") {
  for (const std::string host : {"127.0.0.1", "127.0.0.1:1", "localhost:65535", "[::1]:4242"})
    CHECK(status(get("Host: " + host + "\r\n")) == 200);
  for (const std::string host :
       {"example.org", "example.org:4242", "127.0.0.1.example.org", "127.0.0.1:", "127.0.0.1:x",
        "localhost.example.org:80", "127.0.0.1:123456", "evil@127.0.0.1", "127.0.0.1 ,x", "[::1"})
    CHECK(status(get("Host: " + host + "\r\n")) == 421);
  CHECK(status(get("")) == 421);
  CHECK(status(get("Host: 127.0.0.1\r\nHost: 127.0.0.1\r\n")) == 400);
}

TEST_CASE("a request comes from our own page") {
  const std::string host = "Host: 127.0.0.1:4242\r\n";
  CHECK(status(get(host + "Origin: http://127.0.0.1:4242\r\n")) == 200);
  for (const std::string origin : {"http://127.0.0.1:4243", "http://localhost:4242", "https://127.0.0.1:4242", "null",
                                   "", "http://example.org", "http://127.0.0.1:4242.example.org"})
    CHECK(status(get(host + "Origin: " + origin + "\r\n")) == 403);
  CHECK(status(get(host + "Sec-Fetch-Site: none\r\n")) == 200);
  CHECK(status(get(host + "sec-fetch-site: same-origin\r\n")) == 200);
  for (const std::string site : {"cross-site", "same-site", "anything"})
    CHECK(status(get(host + "Sec-Fetch-Site: " + site + "\r\n")) == 403);
  CHECK(status(get(host + "Sec-Fetch-Site: none\r\nSec-Fetch-Site: cross-site\r\n")) == 400);
  // and it is not told whether the token was right
  CHECK(status(head("GET / HTTP/1.1", "Host: example.org\r\n")) == 421);
}

TEST_CASE("a request only reads") {
  for (const std::string method : {"POST", "PUT", "DELETE", "HEAD", "OPTIONS", "CONNECT", "get"})
    CHECK(status(head(method + " /?token=" + kToken + " HTTP/1.1")) == 405);
  const std::string host = "Host: localhost\r\n";
  CHECK(status(get(host + "Content-Length: 0\r\n")) == 200);
  CHECK(status(get(host + "Content-Length: 1\r\n")) == 400);
  CHECK(status(get(host + "Transfer-Encoding: chunked\r\n")) == 400);
}

TEST_CASE("what is no request is refused, whatever is cut off") {
  const std::string whole = get("Host: localhost\r\nAccept: */*\r\n");
  REQUIRE(status(whole) == 200);
  for (std::size_t size = 0; size < whole.size(); ++size) CHECK(status(whole.substr(0, size)) == 400);
  CHECK(status(whole + "x") == 400);
  const std::string target = "/?token=" + kToken;
  const std::string host = "Host: localhost\r\n";
  for (const std::string& line :
       {"GET " + target, "GET " + target + " HTTP/2.0", "GET  " + target + " HTTP/1.1", " GET " + target + " HTTP/1.1",
        "GET http://localhost" + target + " HTTP/1.1", std::string("GET * HTTP/1.1"), "GET " + target + " HTTP/1.1 ",
        std::string(), "GET " + target + "\x01 HTTP/1.1", "G\xc3\xa4T " + target + " HTTP/1.1"})
    CHECK(status(head(line, host)) == 400);
  for (const std::string line :
       {" Host: localhost", "Host : localhost", ": x", "no colon", "X: a\nHost: localhost", "X: a\rb", "X: \x7f"})
    CHECK(status(get(host + line + "\r\n")) == 400);
  CHECK(status(get(host + "X: a" + std::string(1, '\0') + "b\r\n")) == 400);
}
