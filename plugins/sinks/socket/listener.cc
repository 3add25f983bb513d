#include "listener.h"

#include <fmt/format.h>
#include <memray/live_protocol.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <utility>

namespace memray {
namespace {

constexpr int kBacklog = 16;
constexpr int kSocketFlags = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;

struct UnixAddress {
  sockaddr_un address{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address); }
};

// `name` begins with a zero in the abstract name space. Nothing if it is too long.
std::optional<UnixAddress> unix_address(const std::string& name) {
  UnixAddress result;
  if (name.size() >= sizeof result.address.sun_path) return std::nullopt;
  result.address.sun_family = AF_UNIX;
  std::memcpy(result.address.sun_path, name.data(), name.size());
  result.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size() + (name[0] != '\0' ? 1 : 0));
  return result;
}

bool same_user(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && (peer.uid == geteuid() || peer.uid == 0);
}

// A socket that nobody listens at is left over from a server that was killed.
bool is_stale(const UnixAddress& address) {
  struct stat status {};
  if (lstat(address.address.sun_path, &status) != 0 || !S_ISSOCK(status.st_mode)) return false;
  const int fd = socket(AF_UNIX, kSocketFlags, 0);
  const bool refused = fd >= 0 && connect(fd, address.get(), address.size) != 0 && errno == ECONNREFUSED;
  ::close(fd);
  return refused;
}

std::string peer_name(const sockaddr_storage& address, socklen_t size) {
  char host[NI_MAXHOST], service[NI_MAXSERV];
  if (getnameinfo(reinterpret_cast<const sockaddr*>(&address), size, host, sizeof host, service, sizeof service,
                  NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    return "somewhere";
  return fmt::format("{} (port {})", host, service);
}

}  // namespace

std::string address_text(const Endpoint& endpoint) {
  switch (endpoint.kind) {
    case Endpoint::Kind::unix_path:
      return "unix:" + endpoint.path;
    case Endpoint::Kind::descriptor:
      return {};
    case Endpoint::Kind::tcp:
      break;
  }
  if (endpoint.host.find(':') != std::string::npos) return fmt::format("[{}]:{}", endpoint.host, endpoint.port);
  return fmt::format("{}:{}", endpoint.host, endpoint.port);
}

Status Listener::cannot_serve(int error) const {
  return Status::error(fmt::format("cannot serve the recording on {}: {}", address_text(endpoint_), strerror(error)));
}

Status Listener::open(const Endpoint& wanted) {
  endpoint_ = wanted;
  return wanted.kind == Endpoint::Kind::tcp         ? open_tcp()
         : wanted.kind == Endpoint::Kind::unix_path ? open_path()
                                                    : Status();
}

Status Listener::open_tcp() {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (getaddrinfo(endpoint_.host.c_str(), std::to_string(endpoint_.port).c_str(), &hints, &found) != 0)
    return Status::error(
        fmt::format("'{}' is no address that can be listened at: it has to be numeric, as 127.0.0.1", endpoint_.host));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(found, freeaddrinfo);
  const int fd = socket(found->ai_family, kSocketFlags, 0);
  if (fd < 0) return cannot_serve(errno);
  sockets_.push_back(fd);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (bind(fd, found->ai_addr, found->ai_addrlen) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size) != 0)
    return cannot_serve(errno);
  const bool v6 = bound.ss_family == AF_INET6;
  endpoint_.port = ntohs(v6 ? reinterpret_cast<const sockaddr_in6&>(bound).sin6_port
                            : reinterpret_cast<const sockaddr_in&>(bound).sin_port);
  open_local();
  return listen(fd, kBacklog) == 0 ? Status() : cannot_serve(errno);
}

// If somebody else has taken the name, there is TCP and the token.
void Listener::open_local() {
  const auto address = unix_address('\0' + live::local_name(endpoint_.port));
  const int fd = socket(AF_UNIX, kSocketFlags, 0);
  if (fd >= 0 && bind(fd, address->get(), address->size) == 0 && listen(fd, kBacklog) == 0) {
    sockets_.push_back(fd);
  } else if (fd >= 0) {
    ::close(fd);
  }
}

Status Listener::open_path() {
  const auto address = unix_address(endpoint_.path);
  if (!address) return cannot_serve(ENAMETOOLONG);
  const int fd = socket(AF_UNIX, kSocketFlags, 0);
  if (fd < 0) return cannot_serve(errno);
  sockets_.push_back(fd);
  const mode_t mask = umask(0177);
  int error = bind(fd, address->get(), address->size) == 0 ? 0 : errno;
  if (error == EADDRINUSE && is_stale(*address)) {
    unlink(endpoint_.path.c_str());
    error = bind(fd, address->get(), address->size) == 0 ? 0 : errno;
  }
  umask(mask);
  if (error == 0) guard_.protect(endpoint_.path);
  return error == 0 && listen(fd, kBacklog) == 0 ? Status() : cannot_serve(error != 0 ? error : errno);
}

void Listener::close() {
  for (const int fd : std::exchange(sockets_, {})) ::close(fd);
  guard_.release();
}

std::optional<Listener::Visitor> Listener::accept() {
  for (const int socket : sockets_)
    if (auto visitor = accept_from(socket)) return visitor;
  return std::nullopt;
}

std::optional<Listener::Visitor> Listener::accept_from(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  const int fd = accept4(socket, reinterpret_cast<sockaddr*>(&address), &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return std::nullopt;
  if (address.ss_family == AF_UNIX) return Visitor{fd, same_user(fd), "another process"};
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  return Visitor{fd, false, peer_name(address, size)};
}

}  // namespace memray
