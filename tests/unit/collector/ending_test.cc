// How the images of processes end, when the collector looks at awkward moments.
#include "collector/collector.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <utility>
#include <vector>

using namespace memray;

namespace {

class Endings final : public Sink {
 public:
  Input input() const override { return Input::events; }
  Status open(const SinkConfig&) override { return {}; }
  std::string destination() const override { return {}; }
  Status events(std::span<const Event> events, const Definitions&) override {
    for (const Event& event : events) seen.emplace_back(event.index, event.kind);
    return {};
  }
  Status finish(const Metadata&, bool) override { return {}; }

  std::vector<std::pair<std::uint32_t, Event::Kind>> seen;  // process, in the order of their images
};

pid_t start_child() {
  const pid_t child = fork();
  if (child == 0) {
    for (;;) pause();
  }
  return child;
}

void end_child(pid_t child) {
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

}  // namespace

TEST_CASE("an image that exec replaced is not taken for one that ended, however late its successor is seen") {
  collector::Session session{RecordRequest{}};
  Endings endings;
  collector::Collector collector(session, endings, {});
  session.set_target(static_cast<std::uint32_t>(getpid()));
  const auto announce = [&](std::uint32_t pid) {
    const std::uint32_t number = session.control().images.fetch_add(1);
    session.control().image[number].pid = pid;
    return number;
  };
  announce(static_cast<std::uint32_t>(getpid()));
  const auto child = static_cast<std::uint32_t>(start_child());
  const std::uint32_t before_exec = announce(child);
  collector.drain(false);

  const std::uint32_t slow = announce(0);  // of a process that was held up while it described itself
  const std::uint32_t after_exec = announce(child);
  end_child(static_cast<pid_t>(child));
  collector.drain(false);
  session.control().image[slow].pid = static_cast<std::uint32_t>(getppid());
  for (int i = 0; i < 3; ++i) collector.drain(false);

  using Kind = Event::Kind;
  REQUIRE(endings.seen == std::vector<std::pair<std::uint32_t, Kind>>{{before_exec, Kind::process_exec},
                                                                      {after_exec, Kind::process_exit}});
}

TEST_CASE("a process that was killed before it had said who it is hides nobody") {
  collector::Session session{RecordRequest{}};
  Endings endings;
  collector::Collector collector(session, endings, {});
  session.set_target(static_cast<std::uint32_t>(getpid()));
  auto& control = session.control();
  control.image[0].pid = static_cast<std::uint32_t>(getpid());
  const pid_t unlucky = start_child(), later = start_child();
  control.image[1].claimed = static_cast<std::uint32_t>(unlucky);
  control.image[2].pid = static_cast<std::uint32_t>(later);
  control.images = 3;
  end_child(later);
  for (int i = 0; i < 3; ++i) collector.drain(false);
  REQUIRE(endings.seen.empty());  // it may still say

  end_child(unlucky);
  for (int i = 0; i < 3; ++i) collector.drain(false);
  using Kind = Event::Kind;
  REQUIRE(endings.seen ==
          std::vector<std::pair<std::uint32_t, Kind>>{{1, Kind::process_exit}, {2, Kind::process_exit}});
}
