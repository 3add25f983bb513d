// The program and this process know each other by the shared memory alone. Recording ends when the program says so
// (Control::left), when it asks for the end (Request::finish), when it is gone, or when it has become another program.
#include "collector/collect.h"

#include "collector/collector.h"
#include "collector/pump.h"

#include <fmt/format.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <cstring>
#include <fstream>
#include <optional>

namespace memray {

namespace {

void ignore_signals() {
  for (const int number : {SIGINT, SIGQUIT, SIGHUP, SIGTERM, SIGPIPE, SIGTSTP}) signal(number, SIG_IGN);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

void reply(int fd, std::string text) {
  text += '\n';
  [[maybe_unused]] const ssize_t told = write(fd, text.data(), text.size());
  close(fd);
}

// Is the shared memory mapped by the process?
bool maps_session(pid_t pid, int session) {
  struct stat status {};
  if (fstat(session, &status) != 0) return true;
  const std::string inode = fmt::format(" {} ", status.st_ino);
  std::ifstream maps(fmt::format("/proc/{}/maps", pid));
  if (!maps) return true;
  for (std::string line; std::getline(maps, line);) {
    if (line.find("memfd:memray") != line.npos && line.find(inode) != line.npos) return true;
  }
  return false;
}

class Service {
  using Clock = std::chrono::steady_clock;

 public:
  Service(const CollectRequest& request, collector::Session& session, collector::Collector& collector)
      : request_(request), session_(session), collector_(collector) {}

  // How the recording ended; everything is read then, and `finish` may be owed an answer.
  Ending run() {
    collector::Pump pump(collector_, std::chrono::milliseconds(request_.record.memory_interval_ms));
    const collector::ProcessProbe program(static_cast<std::uint32_t>(request_.pid));
    auto& control = session_.control();
    Ending ending;
    const auto end = Clock::now() + request_.duration;
    for (bool over = false; !over; pump.step()) {
      wait(pump.wait());
      answer();
      if (request_.record.sink->ready()) control.ready.store(1, std::memory_order_release);
      if (request_.leave && Clock::now() >= end) leave();
      const bool left = control.left.load(std::memory_order_acquire) != 0;
      if (owes_finish_ || (left && control.records_itself == 0) || nobody_comes()) {
        over = true;
        ending.kind = Ending::Kind::stopped;
      } else if (program.gone()) {
        if (!gone_) ending = program.ending();
        gone_ = true;
        over = !collector_.running();
      } else if (collector_.executing() && !maps_session(request_.pid, request_.session)) {
        over = true;
        ending.kind = Ending::Kind::unrecordable;
      }
    }
    collector_.drain(true);
    return ending;
  }

  // The answer to the request to finish, if there was one, and for those who wait for this process to end.
  void finished(const Status& status) { tell(status); }

 private:
  void wait(std::chrono::microseconds time) {
    auto& control = session_.control();
    const timespec timeout{0, static_cast<long>(time.count()) * 1000};
    syscall(SYS_futex, &control.requested, FUTEX_WAIT, answered_, &timeout, nullptr, 0);
  }

  // Whoever was to bring the program is gone for a while, and it has not come.
  bool nobody_comes() {
    constexpr std::chrono::seconds kPatience{10};
    if (request_.bringer < 0 || session_.control().images.load(std::memory_order_acquire) != 0) return false;
    pollfd bringer{request_.bringer, POLLIN, 0};
    if (poll(&bringer, 1, 0) <= 0) return false;
    if (!alone_since_) alone_since_ = Clock::now();
    return Clock::now() - *alone_since_ > kPatience;
  }

  void tell(const Status& status) {
    auto& control = session_.control();
    const std::string text = status.message().substr(0, sizeof control.answer - 1);
    std::memcpy(control.answer, text.c_str(), text.size() + 1);
    control.answer_is_error = !status.ok();
    control.answered.store(++answered_, std::memory_order_release);
    syscall(SYS_futex, &control.answered, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
  }

  void leave() {
    try {
      request_.leave();
    } catch (const std::exception&) {  // again at the next tick, unless the program is gone
    }
  }

  void answer() {
    auto& control = session_.control();
    if (owes_finish_ || control.requested.load(std::memory_order_acquire) == answered_) return;
    if (control.request == session::Request::finish) {
      owes_finish_ = true;
      return;
    }
    collector_.drain(false);
    if (control.request == session::Request::flush) collector_.flush(true);
    if (control.request == session::Request::reset_peak) collector_.reset_peak();
    tell(collector_.sink_status());
  }

  const CollectRequest& request_;
  collector::Session& session_;
  collector::Collector& collector_;
  std::uint32_t answered_ = 0;
  bool owes_finish_ = false;
  bool gone_ = false;
  std::optional<Clock::time_point> alone_since_;
};

}  // namespace

bool collect(const CollectRequest& request) try {
  ignore_signals();
  collector::Session session(request.record, request.session);
  Sink& sink = *request.record.sink;
  if (Status status = sink.open(request.record.sink_config); !status.ok()) {
    reply(request.reply, status.message());
    return false;
  }
  session.set_target(static_cast<std::uint32_t>(request.pid), request.follows_exec);
  auto& control = session.control();
  control.attached = request.pid_there != 0;
  control.main_tid = static_cast<std::uint32_t>(request.pid_there);
  const std::string destination = sink.destination();
  destination.copy(control.destination, sizeof control.destination - 1);
  collector::Collector collector(session, sink, collector::initial_metadata(request.record, request.pid));
  collector.on_warning = collector::warn;
  if (request.ready) request.ready();
  reply(request.reply, "");

  Service service(request, session, collector);
  const Ending ending = service.run();
  if (collector.started()) {
    collector.finish(ending);
    service.finished(collector.sink_status());
  } else {
    service.finished(sink.finish(collector.metadata(), true));
  }
  if (!collector.sink_status().ok()) collector::warn(collector.sink_status().message());
  return true;
} catch (const std::exception& error) {
  reply(request.reply, error.what());
  return false;
}

}  // namespace memray
