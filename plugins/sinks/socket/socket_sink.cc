// A recording that is served while it is made: over TCP or a Unix socket, to any number of clients, who come and go.
//
// What a client gets is a capture, byte for byte as in a file. It begins with the state of the recording at the moment
// at which the client came, so nothing has to be kept for those who come late (memray/capture_stream.h). Everything is
// done between two looks at the program, without ever waiting for a client: sockets do not block, what is not read
// waits in bounded memory, and who is too slow skips (client.h). docs/live.md tells what is safe and what is not.
#include <fmt/format.h>
#include <memray/capture_stream.h>
#include <memray/live_protocol.h>
#include <memray/sink.h>
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <list>
#include <memory>
#include <new>
#include <set>
#include <vector>

#include "client.h"
#include "endpoint.h"
#include "listener.h"

namespace {

using memray::Client;
using memray::Endpoint;
using memray::Status;
using namespace std::chrono_literals;
using SteadyClock = std::chrono::steady_clock;

constexpr std::size_t kMostClients = 16;
constexpr std::size_t kMostStrangers = 32;
constexpr auto kFlushInterval = 10ms;

// At the end: while a client goes on reading, and for how long at most.
constexpr auto kStalled = 500ms;
constexpr auto kLongestFarewell = 5s;

constexpr std::size_t kShortestToken = 16;

Status make_token(std::string& token) {
  if (const char* given = std::getenv(memray::live::kTokenVariable); given != nullptr && *given != '\0') {
    token = given;
    const bool printable = std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c <= '~'; });
    if (printable && token.size() >= kShortestToken && token.size() <= memray::live::kMaxToken) return {};
    return Status::error(fmt::format("{} has to have {} to {} characters, without spaces", memray::live::kTokenVariable,
                                     kShortestToken, memray::live::kMaxToken));
  }
  token = memray::live::random_token();
  return token.empty() ? Status::error("cannot make a token: there are no random numbers") : Status();
}

class SocketSink final : public memray::Sink {
 public:
  Input input() const override { return Input::events; }

  Status open(const memray::SinkConfig& config) override {
    if (config.output_given) return Status::error("--sink=socket writes no file; leave out -o (--output)");
    Endpoint endpoint;
    if (Status status = parse_endpoint(config.arguments, endpoint); !status) return status;
    if (Status status = make_token(token_); !status) return status;
    if (Status status = listener_.open(endpoint); !status) {
      listener_.close();
      return status;
    }
    if (endpoint.kind == Endpoint::Kind::descriptor)
      clients_.emplace_back(given_connection(endpoint.fd), SteadyClock::now());
    return {};
  }

  std::string destination() const override { return address_text(listener_.endpoint()); }

  std::string instructions() const override {
    const Endpoint& endpoint = listener_.endpoint();
    switch (endpoint.kind) {
      case Endpoint::Kind::descriptor:
        return {};
      case Endpoint::Kind::unix_path:
        return fmt::format("Run 'memray live unix:{}' in another shell to see live results\n",
                           std::filesystem::absolute(endpoint.path).string());
      case Endpoint::Kind::tcp:
        break;
    }
    return fmt::format(
        "Run 'memray live {}' in another shell to see live results\n"
        "(as another user or on another machine: memray live '{}#{}')\n",
        endpoint.port, destination(), token_);
  }

  bool ready() const override { return ever_served_; }
  bool watched() const override { return count(Client::State::served) > 0; }

  Status describe(const memray::Metadata& metadata, const memray::Definitions& definitions) override {
    if (recording_) {
      recording_->update_metadata(metadata);
      for (Client& client : clients_) client.update_metadata(metadata);
    } else {
      recording_ = std::make_unique<memray::RecordingState>(definitions, metadata);
    }
    return {};
  }

  Status events(std::span<const memray::Event> events, const memray::Definitions&) override {
    for (Client& client : clients_) client.events(events);
    recording_->events(events);
    return {};
  }

  Status sample(const memray::MemorySample& sample) override {
    for (Client& client : clients_) client.sample(sample);
    recording_->sample(sample);
    return {};
  }

  Status tick() override {
    serve();
    return {};
  }

  Status finish(const memray::Metadata& metadata, bool abandoned) override {
    if (recording_ && !abandoned) {
      serve();
      for (Client& client : clients_) client.finish(metadata);
      say_farewell();
    }
    clients_.clear();
    listener_.close();
    if (untold_ > 0) std::fputs(fmt::format("memray: {} more connections were refused\n", untold_).c_str(), stderr);
    return {};
  }

 private:
  static memray::Listener::Visitor given_connection(int fd) { return {fd, true, "whoever started memray"}; }

  std::size_t count(Client::State state) const {
    return static_cast<std::size_t>(
        std::ranges::count_if(clients_, [&](const Client& client) { return client.state() == state; }));
  }

  void serve() {
    const auto now = SteadyClock::now();
    const bool flush = now >= next_flush_;
    if (flush) next_flush_ = now + kFlushInterval;
    let_in(now);
    for (Client& client : clients_) {
      if (client.state() == Client::State::stranger) greet(client, now);
      if (client.state() != Client::State::served) continue;
      if (flush) client.flush();
      client.step(*recording_);
    }
    clients_.remove_if([](const Client& client) { return client.state() == Client::State::gone; });
  }

  void let_in(SteadyClock::time_point now) {
    for (std::size_t i = 0; i < kMostStrangers; ++i) {
      const auto visitor = listener_.accept();
      if (!visitor) return;
      if (count(Client::State::stranger) >= kMostStrangers) {
        const auto oldest = std::ranges::find_if(
            clients_, [](const Client& client) { return client.state() == Client::State::stranger; });
        refused(*oldest, "too many others came before it had said what it wants");
        clients_.erase(oldest);
      }
      clients_.emplace_back(*visitor, now);
    }
  }

  void greet(Client& client, SteadyClock::time_point now) {
    const bool full = count(Client::State::served) >= kMostClients;
    if (const auto why = client.greet(now, token_, full, *recording_)) refused(client, *why);
    if (client.state() == Client::State::served) ever_served_ = true;
  }

  // Every reason once: a scanner is not to fill the terminal.
  void refused(const Client& client, const std::string& why) {
    if (!told_.insert(why).second || told_.size() > kMostReasons) {
      ++untold_;
      return;
    }
    std::fputs(fmt::format("memray: refused a connection from {}: {}\n", client.name(), why).c_str(), stderr);
  }

  // Waits until the clients have read all that they are owed, as long as they go on reading.
  void say_farewell() {
    const auto end = SteadyClock::now() + kLongestFarewell;
    auto stalled = SteadyClock::now() + kStalled;
    for (std::size_t waiting = 0;;) {
      std::vector<pollfd> sockets;
      std::size_t now_waiting = 0;
      for (Client& client : clients_) {
        client.step(*recording_);
        if (!client.owed()) continue;
        now_waiting += client.waiting();
        sockets.push_back({client.fd(), POLLOUT, 0});
      }
      const auto now = SteadyClock::now();
      if (now_waiting != waiting) stalled = now + kStalled;
      waiting = now_waiting;
      if (sockets.empty() || now >= end || now >= stalled) return;
      poll(sockets.data(), sockets.size(), 50);
    }
  }

  static constexpr std::size_t kMostReasons = 8;

  memray::Listener listener_;
  std::string token_;
  std::unique_ptr<memray::RecordingState> recording_;
  std::list<Client> clients_;
  bool ever_served_ = false;
  std::set<std::string> told_;
  std::uint64_t untold_ = 0;
  SteadyClock::time_point next_flush_{};
};

}  // namespace

MEMRAY_SINK(SocketSink, "socket", "Serves the recording while it is made, over TCP or a Unix socket", "0.1.0")
