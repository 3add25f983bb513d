// Follows a recording in a thread of its own, so that whoever shows it may take its time.
//
//   Watcher watcher(live::parse_address("4242"));
//   ... once a second: { const auto state = watcher.look(); state->snapshot({}); }
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "live/connection.h"
#include "live/live_state.h"

namespace memray::live {

class Watcher {
 public:
  enum class Status {
    connecting,
    connected,
    ended,    // the recording is over, or the other end is gone
    refused,  // or what came was no recording: `problem` says it
  };

  // What comes is given to `keep` as well, if there is one: see LiveState::keep_in.
  explicit Watcher(const Address& address, LiveState::Keep keep = {});
  // A socket that is connected already, whose descriptor is taken.
  explicit Watcher(int fd);
  ~Watcher();
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  Status status() const { return status_; }
  std::string problem() const;

  // The state, which stays as it is as long as this is there. The stream waits meanwhile.
  class Look {
   public:
    Look(std::unique_lock<std::mutex> lock, const LiveState& state) : lock_(std::move(lock)), state_(&state) {}
    const LiveState& operator*() const { return *state_; }
    const LiveState* operator->() const { return state_; }

   private:
    std::unique_lock<std::mutex> lock_;
    const LiveState* state_;
  };
  Look look();

 private:
  using Open = std::function<std::optional<Connection>(int stop)>;
  void start(Open open);
  void follow(const Open& open);
  void feed(std::span<const std::byte> bytes);

  mutable std::mutex mutex_;
  LiveState state_;
  std::string problem_;
  std::atomic<Status> status_ = Status::connecting;
  std::atomic<int> waiting_ = 0;  // to look
  int stop_ = -1;
  std::jthread thread_;
};

}  // namespace memray::live
