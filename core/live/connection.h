// A client's connection to a recording that is served (--sink=socket). docs/live.md has the protocol.
//
//   auto connection = live::Connection::open(live::parse_address("4242"), stop);
//   while (connection->wait(stop)) { const auto count = connection->read(buffer); if (!count) break; ... }
//
// What is read is a capture, byte for byte. Where a client was too slow, another capture follows in the middle of it,
// after a whole block, beginning as a file does, with the state of that moment.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace memray::live {

struct Address {
  std::string host;  // "": this machine
  std::uint16_t port = 0;
  std::string path;   // of a Unix socket, instead of host and port
  std::string token;  // "": none is known; it is not needed by the same user on the same machine
};

// "[HOST:]PORT[#TOKEN]", where an IPv6 address stands in brackets, or "unix:PATH". Where no token is given,
// $MEMRAY_LIVE_TOKEN is one. Throws std::out_of_range for a port that cannot be, std::invalid_argument for what is no
// address; both with one line for the user.
Address parse_address(std::string_view text);

// As users would type it, without the token.
std::string to_string(const Address& address);

// It will not work, however often it is tried. `what()` is one line for the user.
class ConnectionError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class Connection {
 public:
  // Tries every half second until there is a server. Nothing if `stop`, a descriptor (-1: none), became readable
  // before. Throws ConnectionError when it is refused.
  static std::optional<Connection> open(const Address& address, int stop);
  // One try: nothing if no server is there. Still up to five seconds, if one is slow to answer.
  static std::optional<Connection> try_open(const Address& address, int stop = -1);
  // A socket that is connected already; the server trusts it. Takes the descriptor.
  static std::optional<Connection> adopt(int fd, int stop);

  ~Connection();
  Connection(Connection&& other) noexcept;
  Connection& operator=(Connection&& other) noexcept;

  // To poll together with others.
  int fd() const { return fd_; }

  // Until there is something to read, or the connection was closed. False if `stop` became readable, or `timeout`
  // milliseconds (-1: no limit) are over.
  bool wait(int stop, int timeout = -1) const;

  // What has come, at most so much; 0: nothing at present. Nothing if the server has closed the connection: the
  // recording is over, or the server is gone.
  std::optional<std::size_t> read(std::span<std::byte> bytes) const;

 private:
  explicit Connection(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace memray::live
