// Pages are made between two turns of the server, once a second at most, and only while somebody looks. Making one
// keeps the stream waiting, so it may take a fifth of the time: what takes long is done more rarely.
#include "live_web.h"

#include "live_pages.h"

#include <fmt/format.h>
#include <memray/live_protocol.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <system_error>

namespace memray::cli {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using Status = live::Watcher::Status;

constexpr std::chrono::milliseconds kBetweenUpdates = 1s;
constexpr int kCostFactor = 4;

std::string new_token() {
  std::string token = live::random_token();
  if (token.empty()) throw Failure("cannot make a token: there are no random numbers");
  return token;
}

void say(const std::string& text) {
  fmt::print("{}\n", text);
  std::fflush(stdout);
}

// Says once how the recording has ended. Throws Failure if it has never begun.
class Ending {
 public:
  explicit Ending(live::Watcher& watcher) : watcher_(watcher) {}

  void look() {
    const Status status = watcher_.status();
    if (told_ || status == Status::connecting || status == Status::connected) return;
    told_ = true;
    problem_ = watcher_.problem();
    const auto state = watcher_.look();
    if (!problem_.empty() && state->capture() == nullptr) throw Failure(problem_);
    if (!state->ended() && problem_.empty()) problem_ = "the connection has ended before the recording";
    if (problem_.empty())
      say("The recording has ended. The page stays as it is, until Ctrl-C.");
    else
      fmt::print(stderr, "{}; the page stays as it is, until Ctrl-C\n", problem_);
  }

  int exit_code() const { return problem_.empty() ? kSuccess : kFailure; }

 private:
  live::Watcher& watcher_;
  bool told_ = false;
  std::string problem_;
};

void serve(http::Server& server, LivePages& pages, Ending& ending, int stop) {
  auto time = kBetweenUpdates;
  while (server.serve(time, stop)) {
    const auto begin = Clock::now();
    pages.publish(server);
    ending.look();
    const auto cost = std::chrono::ceil<std::chrono::milliseconds>(Clock::now() - begin);
    time = std::max(kBetweenUpdates, kCostFactor * cost);
  }
}

}  // namespace

int watch_in_browser(live::Watcher& watcher, const Installation& installation, std::uint16_t port, int ending) {
  LivePages pages(watcher, installation);
  const std::string token = new_token();
  Ending end(watcher);
  try {
    http::Server server(port, token, [&](const http::Request& request) { return pages.answer(request); });
    say(fmt::format(
        "Open http://127.0.0.1:{}/?token={} in a browser on this machine. Ctrl-C ends it; the program goes on.",
        server.port(), token));
    serve(server, pages, end, ending);
  } catch (const std::system_error& error) {
    throw Failure(fmt::format("the pages cannot be served{}: {}", port == 0 ? "" : fmt::format(" on port {}", port),
                              error.code().message()));
  }
  return end.exit_code();
}

}  // namespace memray::cli
