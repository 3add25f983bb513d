// One browser's connection: reads a request, writes an answer, and closes; or goes on writing events, of which one that
// is behind gets the latest only. Never blocks, and holds no more than a request's head and what is being sent.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace memray::http {

using Clock = std::chrono::steady_clock;
using Text = std::shared_ptr<const std::string>;

class Connection {
 public:
  // Takes the descriptor, which does not block.
  Connection(int fd, Clock::time_point now) : fd_(fd), moved_(now) {}
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int fd() const { return fd_; }
  short wanted() const;  // what to poll for
  bool open() const { return stage_ != Stage::closed; }
  bool asking() const { return stage_ == Stage::asking; }
  // What is followed; empty for a connection that gets one answer.
  const std::string& topic() const { return topic_; }

  // Something has come. The head of the request, once it is complete; empty, if it became too large.
  std::optional<std::string> read(Clock::time_point now);
  // Last thing that is sent.
  void answer(std::string text);
  // First thing that is sent; events follow.
  void begin_stream(std::string text, std::string topic);
  // A whole event.
  void publish(const Text& event);
  void write(Clock::time_point now);
  // Closes it if it has been silent for too long.
  void look_at_clock(Clock::time_point now);

 private:
  enum class Stage { asking, answering, streaming, leaving, closed };

  void leave();
  void close();

  int fd_;
  Stage stage_ = Stage::asking;
  Clock::time_point moved_;  // when it got on last
  std::string head_;
  Text sending_, next_;
  std::size_t sent_ = 0;
  std::string topic_;
};

}  // namespace memray::http
