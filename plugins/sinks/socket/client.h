// One connection: first a stranger who has a few seconds to say something sensible, then a client who is sent a
// capture.
//
// What a client has not read yet waits here, up to a limit. A client who is slower than the recording reaches it. Then
// nothing more is added; when all that waits has been read, the client gets a new capture that begins with the state of
// that moment. So a slow client skips what it could not have read anyway, and costs nothing while it is behind.
#pragma once

#include <memray/capture_stream.h>
#include <memray/live_protocol.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "listener.h"
#include "outbox.h"

namespace memray {

class Client {
 public:
  using Clock = std::chrono::steady_clock;
  enum class State { stranger, served, gone };

  Client(const Listener::Visitor& visitor, Clock::time_point now);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  State state() const { return state_; }
  const std::string& name() const { return name_; }

  // Of a stranger: hears what it has to say. What is said is why it was refused, if it was.
  std::optional<std::string> greet(Clock::time_point now, const std::string& token, bool full,
                                   RecordingState& recording);

  // Of one who is served; they follow the recording.
  void events(std::span<const Event> events);
  void sample(const MemorySample& sample);
  void update_metadata(const Metadata& metadata);
  void flush();
  // Sends what it takes now.
  void step(RecordingState& recording);

  // The recording is over. `step` goes on until nothing is owed.
  void finish(const Metadata& metadata);
  bool owed() const { return state_ == State::served && (!outbox_.empty() || finish_after_restart_.has_value()); }
  std::size_t waiting() const { return outbox_.size(); }
  int fd() const { return fd_; }

 private:
  std::string refuse(std::optional<live::Answer> answer, std::string why);
  bool send_now(const live::AnswerBytes& answer) const;
  void discard_input();
  void begin(RecordingState& recording);
  void add(const Block& block);
  void skip_if_behind();

  int fd_;
  bool trusted_;
  std::string name_;
  Clock::time_point deadline_;
  State state_ = State::stranger;
  std::string request_;
  Outbox outbox_;
  std::size_t limit_ = 0;
  bool behind_ = false;
  std::unique_ptr<CaptureStream> stream_;  // none while it is behind
  std::optional<Metadata> finish_after_restart_;
};

}  // namespace memray
