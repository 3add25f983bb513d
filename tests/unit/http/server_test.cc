// The server against clients that behave, and those that do not. Its loop runs in the test's own thread: what clients
// send is there before the server looks.
#include "http/server.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <cerrno>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

using namespace memray::http;
using namespace std::chrono_literals;

namespace {

const std::string kToken = "0123456789abcdef0123456789abcdef";

class Client {
 public:
  explicit Client(std::uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    REQUIRE(connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  }
  ~Client() { close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // As much as fits.
  std::size_t send(const std::string& text) const {
    const ssize_t count = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return count < 0 ? 0 : static_cast<std::size_t>(count);
  }
  void get(const std::string& target) const {
    send("GET " + target + (target.find('?') == std::string::npos ? "?" : "&") + "token=" + kToken +
         " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
  }
  // What has come, and whether it was the end.
  std::pair<std::string, bool> receive() const {
    std::string text;
    char bytes[65536];
    for (;;) {
      const ssize_t count = recv(fd_, bytes, sizeof bytes, MSG_DONTWAIT);
      if (count < 0 && errno == EAGAIN) return {text, false};
      if (count <= 0) return {text, true};
      text.append(bytes, static_cast<std::size_t>(count));
    }
  }
  void finish() const { shutdown(fd_, SHUT_WR); }

 private:
  int fd_;
};

Answer handle(const Request& request) {
  Answer answer;
  if (request.path == "/events") {
    answer.body = event_of("first");
    answer.topic = request.parameter("about");
  } else {
    answer.body = "<p>" + request.path + "</p>";
    answer.policy = "default-src 'self'";
  }
  return answer;
}

// Runs the loop until the client has got what it waits for.
template <typename Condition>
std::string serve_until(Server& server, const Client& client, const Condition& condition) {
  std::string text;
  for (int turn = 0; turn < 1000; ++turn) {
    server.serve(10ms, -1);
    const auto [more, ended] = client.receive();
    text += more;
    if (condition(text, ended)) return text;
  }
  FAIL("it did not come; what came: " + text.substr(0, 2000));
  return text;
}

std::string answer_to(Server& server, const Client& client) {
  return serve_until(server, client, [](const std::string&, bool ended) { return ended; });
}

bool begins(const std::string& text, const std::string& with) { return text.compare(0, with.size(), with) == 0; }
bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("an answer, and what every answer says") {
  Server server(0, kToken, handle);
  const Client client(server.port());
  client.get("/here");
  const std::string text = answer_to(server, client);
  CHECK(begins(text, "HTTP/1.1 200 OK\r\n"));
  for (const std::string line :
       {"Content-Type: text/html; charset=utf-8", "Content-Length: 12", "X-Content-Type-Options: nosniff",
        "Content-Security-Policy: default-src 'self'; frame-ancestors 'none'", "Referrer-Policy: no-referrer",
        "Cache-Control: no-store", "Cross-Origin-Resource-Policy: same-origin", "X-Frame-Options: DENY"})
    CHECK(has(text, "\r\n" + line + "\r\n"));
  CHECK(has(text, "\r\n\r\n<p>/here</p>"));
}

TEST_CASE("who is refused learns why, and gets nothing") {
  Server server(0, kToken, [](const Request&) -> Answer {
    FAIL("asked for something");
    return {};
  });
  const auto refused = [&](const std::string& request, const std::string& status) {
    const Client client(server.port());
    client.send(request);
    const std::string text = answer_to(server, client);
    CHECK(begins(text, "HTTP/1.1 " + status));
    CHECK_FALSE(has(text, kToken));
    return text;
  };
  const std::string host = "Host: 127.0.0.1\r\n";
  refused("GET / HTTP/1.1\r\n" + host + "\r\n", "403 Forbidden");
  refused("GET /?token=" + kToken + " HTTP/1.1\r\nHost: example.org\r\n\r\n", "421 ");
  refused("GET /?token=" + kToken + " HTTP/1.1\r\n" + host + "Origin: http://example.org\r\n\r\n", "403 ");
  CHECK(has(refused("POST /?token=" + kToken + " HTTP/1.1\r\n" + host + "\r\n", "405 "), "\r\nAllow: GET\r\n"));
  refused("nonsense\r\n\r\n", "400 ");
}

TEST_CASE("a request of a megabyte is cut off") {
  Server server(0, kToken, handle);
  const Client client(server.port());
  const std::string megabyte = "GET / HTTP/1.1\r\nX: " + std::string(1 << 20, 'x');
  std::size_t sent = 0;
  const std::string text = serve_until(server, client, [&](const std::string& came, bool) {
    sent += client.send(megabyte.substr(std::min(sent, megabyte.size())));
    return has(came, "\r\n\r\n");
  });
  CHECK(begins(text, "HTTP/1.1 431 "));
}

TEST_CASE("who says nothing is left alone, makes room, and is forgotten") {
  Server server(0, kToken, handle);
  std::vector<std::unique_ptr<Client>> silent;
  for (int i = 0; i < 100; ++i) {
    silent.push_back(std::make_unique<Client>(server.port()));
    silent.back()->send("GET / HT");
    server.serve(1ms, -1);
  }
  const Client client(server.port());
  client.get("/");
  CHECK(begins(answer_to(server, client), "HTTP/1.1 200 "));
  CHECK(silent.front()->receive().second);  // it was the first to be let go
  CHECK_FALSE(silent.back()->receive().second);
  answer_to(server, *silent.back());  // its time is over, some seconds later
}

TEST_CASE("a request may come in pieces") {
  Server server(0, kToken, handle);
  const Client client(server.port());
  for (const char c : "GET /?token=" + kToken + " HTTP/1.1\r\nHost: localhost\r\n\r\n") {
    client.send(std::string(1, c));
    server.serve(1ms, -1);
  }
  CHECK(begins(answer_to(server, client), "HTTP/1.1 200 "));
}

TEST_CASE("a stream gets the events about its topic") {
  Server server(0, kToken, handle);
  const Client one(server.port()), other(server.port());
  one.get("/events?about=one");
  other.get("/events?about=other");
  const auto came = [](const std::string& event) {
    return [event](const std::string& text, bool) { return has(text, event_of(event)); };
  };
  CHECK(has(serve_until(server, one, came("first")), "Content-Type: text/event-stream"));
  serve_until(server, other, came("first"));
  CHECK(server.topics() == std::set<std::string>{"one", "other"});

  server.publish("one", std::make_shared<const std::string>(event_of("second")));
  server.publish("other", std::make_shared<const std::string>(event_of("else")));
  CHECK(serve_until(server, one, came("second")) == event_of("second"));
  CHECK(serve_until(server, other, came("else")) == event_of("else"));

  one.finish();
  serve_until(server, one, [](const std::string&, bool ended) { return ended; });
  CHECK(server.topics() == std::set<std::string>{"other"});
}

TEST_CASE("a stream that is slow skips to the latest event") {
  Server server(0, kToken, handle);
  const Client client(server.port());
  client.get("/events?about=it");
  serve_until(server, client, [](const std::string& text, bool) { return has(text, event_of("first")); });
  const auto event = [](int i) {
    const std::string more_than_sockets_take(32 << 20, '.');
    return std::make_shared<const std::string>(event_of(std::to_string(i) + more_than_sockets_take));
  };
  for (int i = 0; i < 5; ++i) {
    server.publish("it", event(i));
    server.serve(1ms, -1);
  }
  const std::string text = serve_until(
      server, client, [](const std::string& came, bool) { return has(came, "data: 4") && came.ends_with(".\n\n"); });
  CHECK(text == *event(0) + *event(4));
}

TEST_CASE("so many streams and no more") {
  Server server(0, kToken, handle);
  std::vector<std::unique_ptr<Client>> streams;
  for (int i = 0; i < 16; ++i) {
    streams.push_back(std::make_unique<Client>(server.port()));
    streams.back()->get("/events?about=it");
    serve_until(server, *streams.back(), [](const std::string& text, bool) { return has(text, event_of("first")); });
  }
  const Client one_more(server.port());
  one_more.get("/events?about=it");
  CHECK(begins(answer_to(server, one_more), "HTTP/1.1 503 "));
  const Client page(server.port());
  page.get("/");
  CHECK(begins(answer_to(server, page), "HTTP/1.1 200 "));
}

TEST_CASE("it stops when told to") {
  Server server(0, kToken, handle);
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  CHECK(server.serve(1ms, ends[0]));
  CHECK(::write(ends[1], "x", 1) == 1);
  CHECK_FALSE(server.serve(1h, ends[0]));
  close(ends[0]);
  close(ends[1]);
}
