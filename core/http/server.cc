#include "http/server.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

namespace memray::http {
namespace {

constexpr int kBacklog = 16;
constexpr std::size_t kMostConnections = 64;
constexpr std::size_t kMostStreams = 16;
constexpr int kBetweenLooks = 500;  // milliseconds, at the clock

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

// What every answer says: nothing is kept, guessed, framed, or told to other sites.
std::string head_of(int status, std::string_view type, std::string_view policy) {
  return fmt::format(
      "HTTP/1.1 {}\r\nContent-Type: {}; charset=utf-8\r\nContent-Security-Policy: {}; frame-ancestors 'none'\r\n"
      "X-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\nReferrer-Policy: no-referrer\r\n"
      "Cross-Origin-Opener-Policy: same-origin\r\nCross-Origin-Resource-Policy: same-origin\r\n"
      "Cache-Control: no-store\r\nConnection: close\r\n{}",
      status_text(status), type, policy, status == 405 ? "Allow: GET\r\n" : "");
}

std::string text_of(const Answer& answer, std::string_view type) {
  return fmt::format("{}Content-Length: {}\r\n\r\n{}", head_of(answer.status, type, answer.policy), answer.body.size(),
                     answer.body);
}

std::string text_of(const Refusal& refusal) {
  Answer answer;
  answer.status = refusal.status;
  answer.body = fmt::format("{}\n{}\n", status_text(refusal.status), refusal.why);
  return text_of(answer, "text/plain");
}

}  // namespace

Server::Server(std::uint16_t port, std::string token, Handler handler)
    : token_(std::move(token)), handler_(std::move(handler)) {
  fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd_ < 0) fail("socket");
  const int on = 1;
  setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  if (bind(fd_, any, size) != 0 || listen(fd_, kBacklog) != 0 || getsockname(fd_, any, &size) != 0) {
    const int error = errno;
    close(fd_);
    errno = error;
    fail("cannot listen");
  }
  port_ = ntohs(address.sin_port);
}

Server::~Server() { close(fd_); }

bool Server::serve(std::chrono::milliseconds time, int stop) {
  const auto until = Clock::now() + time;
  for (auto now = Clock::now(); now < until; now = Clock::now()) {
    std::vector<pollfd> polled = {{stop, POLLIN, 0}, {fd_, POLLIN, 0}};
    for (const Connection& connection : connections_) polled.push_back({connection.fd(), connection.wanted(), 0});
    const auto rest = std::chrono::ceil<std::chrono::milliseconds>(until - now).count();
    if (poll(polled.data(), polled.size(), static_cast<int>(std::min<std::int64_t>(rest, kBetweenLooks))) < 0) {
      if (errno == EINTR) continue;
      fail("poll");
    }
    if (polled[0].revents != 0) return false;
    now = Clock::now();
    std::size_t i = 2;
    for (Connection& connection : connections_) turn(connection, polled[i++].revents, now);
    connections_.remove_if([](const Connection& connection) { return !connection.open(); });
    if (polled[1].revents != 0) accept(now);
  }
  return true;
}

void Server::accept(Clock::time_point now) {
  for (;;) {
    const int fd = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    if (connections_.size() < kMostConnections || make_room())
      connections_.emplace_back(fd, now);
    else
      close(fd);
  }
}

bool Server::make_room() {
  const auto stranger = std::ranges::find_if(connections_, &Connection::asking);
  if (stranger == connections_.end()) return false;
  connections_.erase(stranger);
  return true;
}

void Server::turn(Connection& connection, short events, Clock::time_point now) {
  if ((events & (POLLIN | POLLHUP | POLLERR)) != 0)
    if (const auto head = connection.read(now)) respond(connection, *head);
  if (connection.open()) connection.write(now);
  if (connection.open()) connection.look_at_clock(now);
}

void Server::respond(Connection& connection, const std::string& head) {
  const auto asked = head.empty() ? Refusal{431, "The request is too large."} : admit(head, token_);
  if (const auto* refusal = std::get_if<Refusal>(&asked)) return connection.answer(text_of(*refusal));
  Answer answer = handler_(std::get<Request>(asked));
  if (answer.topic.empty()) return connection.answer(text_of(answer, "text/html"));
  if (streams() >= kMostStreams)
    return connection.answer(text_of(Refusal{503, "Too many pages are open: close one of them."}));
  connection.begin_stream(head_of(200, "text/event-stream", answer.policy) + "\r\n" + answer.body, answer.topic);
}

std::size_t Server::streams() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(connections_, [](const Connection& each) { return !each.topic().empty(); }));
}

std::set<std::string> Server::topics() const {
  std::set<std::string> topics;
  for (const Connection& connection : connections_)
    if (!connection.topic().empty()) topics.insert(connection.topic());
  return topics;
}

void Server::publish(const std::string& topic, const Text& event) {
  for (Connection& connection : connections_)
    if (connection.topic() == topic) connection.publish(event);
}

std::string event_of(std::string_view data) { return fmt::format("data: {}\n\n", data); }

}  // namespace memray::http
