// Where clients come in.
//
// Beside every TCP port there is a Unix socket in the abstract name space, named after the port. The kernel tells who
// is at its other end, so a process of the same user needs no token there; and it is gone when the server is, whatever
// ends it. Whoever comes by TCP could be anybody.
#pragma once

#include <memray/types.h>

#include <optional>
#include <string>
#include <vector>

#include "endpoint.h"
#include "file_guard.h"

namespace memray {

class Listener {
 public:
  struct Visitor {
    int fd;
    bool trusted;
    std::string name;  // for messages
  };

  Listener() = default;
  ~Listener() { close(); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  Status open(const Endpoint& wanted);
  void close();

  // Where it is, with the number of the port.
  const Endpoint& endpoint() const { return endpoint_; }
  // Nothing if nobody is there.
  std::optional<Visitor> accept();

 private:
  Status open_tcp();
  Status open_path();
  void open_local();
  std::optional<Visitor> accept_from(int socket);
  Status cannot_serve(int error) const;

  Endpoint endpoint_;
  std::vector<int> sockets_;
  FileGuard guard_;
};

// "127.0.0.1:4242", "[::1]:4242", "unix:PATH".
std::string address_text(const Endpoint& endpoint);

}  // namespace memray
