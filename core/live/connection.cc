#include "live/connection.h"

#include <fmt/format.h>
#include <memray/live_protocol.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <utility>

namespace memray::live {
namespace {

constexpr int kBetweenTries = 500;  // milliseconds
constexpr int kConnectTime = 5000;
constexpr int kAnswerTime = 5000;

std::uint16_t parse_port(std::string_view text) {
  long long port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (end != text.data() + text.size() || text.empty() || error == std::errc::invalid_argument)
    throw std::invalid_argument(fmt::format("'{}' is no address: it takes [HOST:]PORT or unix:PATH", text));
  if (error != std::errc() || port < 1 || port > std::numeric_limits<std::uint16_t>::max())
    throw std::out_of_range(fmt::format("Invalid port: {} is not between 1 and 65535", text));
  return static_cast<std::uint16_t>(port);
}

class Socket {
 public:
  explicit Socket(int family) : fd_(socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {}
  explicit Socket(int fd, std::nullptr_t) : fd_(fd) {}
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  explicit operator bool() const { return fd_ >= 0; }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

enum class Waited { ready, stopped, timeout };

// For `events` at `fd` (-1: for time to pass).
Waited wait_for(int fd, short events, int stop, int timeout) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::milliseconds(timeout);
  for (;;) {
    pollfd fds[] = {{fd, events, 0}, {stop, POLLIN, 0}};
    const int count = poll(fds, 2, timeout);
    if (fds[1].revents != 0) return Waited::stopped;
    if (count > 0) return Waited::ready;
    if (count == 0) return Waited::timeout;
    if (timeout > 0) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
      timeout = left > 0 ? static_cast<int>(left) : 0;
    }
  }
}

// Not connected: `fd` is closed.
std::optional<Socket> connect_to(int family, const sockaddr* address, socklen_t size, int stop) {
  Socket fd(family);
  if (!fd) return std::nullopt;
  if (connect(fd.get(), address, size) != 0) {
    if (errno != EINPROGRESS && errno != EINTR) return std::nullopt;
    if (wait_for(fd.get(), POLLOUT, stop, kConnectTime) != Waited::ready) return std::nullopt;
    int error = 0;
    socklen_t length = sizeof error;
    if (getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &length) != 0 || error != 0) return std::nullopt;
  }
  return fd;
}

std::optional<Socket> connect_unix(const std::string& name, int stop) {
  sockaddr_un address{};
  if (name.size() >= sizeof address.sun_path) throw ConnectionError("the path of the socket is too long: " + name);
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, name.data(), name.size());
  const auto size = offsetof(sockaddr_un, sun_path) + name.size() + (name[0] != '\0' ? 1 : 0);
  return connect_to(AF_UNIX, reinterpret_cast<const sockaddr*>(&address), static_cast<socklen_t>(size), stop);
}

// The server's socket for processes of the same user. Anybody could have taken its name, so look who it is.
std::optional<Socket> connect_local(std::uint16_t port, int stop) {
  auto fd = connect_unix('\0' + local_name(port), stop);
  ucred peer{};
  socklen_t size = sizeof peer;
  if (!fd || getsockopt(fd->get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.uid != geteuid())
    return std::nullopt;
  return fd;
}

std::optional<Socket> connect_tcp(const std::string& host, std::uint16_t port, int stop) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.empty() ? nullptr : host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error == EAI_AGAIN) return std::nullopt;
  if (error != 0) throw ConnectionError(fmt::format("there is no host '{}': {}", host, gai_strerror(error)));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(found, freeaddrinfo);
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next)
    if (auto fd = connect_to(at->ai_family, at->ai_addr, at->ai_addrlen, stop)) return fd;
  return std::nullopt;
}

bool is_this_machine(const std::string& host) {
  return host.empty() || host == "localhost" || host == "::1" || host.starts_with("127.");
}

std::optional<Socket> connect_to(const Address& address, int stop) {
  if (!address.path.empty()) return connect_unix(address.path, stop);
  if (is_this_machine(address.host))
    if (auto fd = connect_local(address.port, stop)) return fd;
  return connect_tcp(address.host, address.port, stop);
}

void check(const AnswerMessage& message, const std::string& where, bool token) {
  switch (message.answer) {
    case Answer::welcome:
      return;
    case Answer::other_version:
      throw ConnectionError(fmt::format("the memray at {} speaks version {} of the protocol, and this one version {}",
                                        where, message.version, kVersion));
    case Answer::wrong_token:
      throw ConnectionError(
          token ? fmt::format("the token is not the one of the recording at {}; memray run has printed it", where)
                : fmt::format("the recording at {} is of another user or machine: its token is needed, memray live "
                              "ADDRESS#TOKEN, as memray run has printed it",
                              where));
    case Answer::too_many:
      throw ConnectionError(fmt::format("the recording at {} has too many clients", where));
  }
  throw ConnectionError(fmt::format("the memray at {} refuses, and does not say why", where));
}

// False: the server has gone before it has answered.
bool greet(int fd, const std::string& token, const std::string& where, int stop) {
  const RequestBytes request = request_bytes({kVersion, token});
  if (send(fd, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size())) return false;
  std::string answer;
  while (answer.size() < kAnswerSize) {
    const Waited waited = wait_for(fd, POLLIN, stop, kAnswerTime);
    if (waited == Waited::stopped) return false;
    if (waited == Waited::timeout) throw ConnectionError("there is no memray at " + where + ": it does not answer");
    char bytes[kAnswerSize];
    const ssize_t count = recv(fd, bytes, kAnswerSize - answer.size(), MSG_DONTWAIT);
    if (count > 0) answer.append(bytes, static_cast<std::size_t>(count));
    if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) return false;
    if (!may_be_request(answer)) throw ConnectionError("what answers at " + where + " is not memray");
  }
  check(*parse_answer(answer), where, !token.empty());
  return true;
}

}  // namespace

Address parse_address(std::string_view text) {
  Address address;
  if (const char* token = std::getenv(kTokenVariable)) address.token = token;
  if (text.starts_with("unix:")) {
    address.path = text.substr(5);
    if (address.path.empty()) throw std::invalid_argument("unix: needs the path of the socket");
    return address;
  }
  if (const auto hash = text.find('#'); hash != text.npos) {
    address.token = text.substr(hash + 1);
    text = text.substr(0, hash);
  }
  if (const auto colon = text.rfind(':'); colon != text.npos) {
    std::string_view host = text.substr(0, colon);
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
    address.host = host;
    text = text.substr(colon + 1);
  }
  address.port = parse_port(text);
  return address;
}

std::string to_string(const Address& address) {
  if (!address.path.empty()) return "unix:" + address.path;
  if (address.host.find(':') != std::string::npos) return fmt::format("[{}]:{}", address.host, address.port);
  return fmt::format("{}:{}", address.host.empty() ? "127.0.0.1" : address.host, address.port);
}

std::optional<Connection> Connection::try_open(const Address& address, int stop) {
  auto fd = connect_to(address, stop);
  if (!fd || !greet(fd->get(), address.token, to_string(address), stop)) return std::nullopt;
  return Connection(fd->release());
}

std::optional<Connection> Connection::open(const Address& address, int stop) {
  do {
    if (auto connection = try_open(address, stop)) return connection;
  } while (wait_for(-1, 0, stop, kBetweenTries) != Waited::stopped);
  return std::nullopt;
}

std::optional<Connection> Connection::adopt(int fd, int stop) {
  Socket socket(fd, nullptr);
  if (!greet(fd, "", "the other end of the connection", stop)) return std::nullopt;
  return Connection(socket.release());
}

Connection::~Connection() {
  if (fd_ >= 0) close(fd_);
}
Connection::Connection(Connection&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
Connection& Connection::operator=(Connection&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

bool Connection::wait(int stop, int timeout) const { return wait_for(fd_, POLLIN, stop, timeout) == Waited::ready; }

std::optional<std::size_t> Connection::read(std::span<std::byte> bytes) const {
  const ssize_t count = recv(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (count > 0) return static_cast<std::size_t>(count);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  return std::nullopt;
}

}  // namespace memray::live
