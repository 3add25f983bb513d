// Serves pages, and events about topics, to the browser of whoever has the token; on 127.0.0.1, over HTTP/1.1.
//
// It is a loop over sockets that never block, run by whoever has the answers: no threads, no locks. Every connection
// carries one request. A page that wants to stay up to date asks for a stream (server-sent events), which gets whole
// events; while one of them is under way, later ones replace each other, so a tab that is slow or stopped costs
// nothing, and continues with the latest.
//
// Strangers cannot use anything up: heads are bounded in size and time, and where all places are taken, who has not
// finished asking makes room.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <set>
#include <string>
#include <string_view>

#include "http/connection.h"
#include "http/request.h"

namespace memray::http {

struct Answer {
  int status = 200;
  std::string body;
  std::string policy = "default-src 'none'";  // Content-Security-Policy
  std::string topic;                          // if not empty: `body` is the first event of a stream about it
};

class Server {
 public:
  using Handler = std::function<Answer(const Request&)>;

  // Port 0: one that is free. Throws std::system_error.
  Server(std::uint16_t port, std::string token, Handler handler);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::uint16_t port() const { return port_; }

  // For at most so long. False when `stop`, a descriptor (-1: none), became readable.
  bool serve(std::chrono::milliseconds time, int stop);

  // That somebody follows.
  std::set<std::string> topics() const;
  void publish(const std::string& topic, const Text& event);

 private:
  void accept(Clock::time_point now);
  bool make_room();
  void turn(Connection& connection, short events, Clock::time_point now);
  void respond(Connection& connection, const std::string& head);
  std::size_t streams() const;

  int fd_ = -1;
  std::uint16_t port_ = 0;
  std::string token_;
  Handler handler_;
  std::list<Connection> connections_;  // the oldest first
};

// As a stream wants it. `data` is one line.
std::string event_of(std::string_view data);

}  // namespace memray::http
