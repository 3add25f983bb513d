// Where a recording is served: what follows the colon in --sink=socket:...
#pragma once

#include <memray/types.h>

#include <cstdint>
#include <string>

namespace memray {

struct Endpoint {
  enum class Kind {
    tcp,         // HOST:PORT; port 0: any that is free
    unix_path,   // a socket in the file system
    descriptor,  // a connection that is there already, whose other end somebody has who needs no token
  };
  Kind kind = Kind::tcp;
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  std::string path;
  int fd = -1;
};

// "", "PORT", "HOST:PORT", "[HOST]:PORT", "unix:PATH", "fd:NUMBER".
Status parse_endpoint(const std::string& text, Endpoint& endpoint);

}  // namespace memray
