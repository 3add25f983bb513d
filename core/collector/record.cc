// Running a program under the recorder: start it, collect until it ends, pass its ending on.
//
// This process is the program's parent and the collector at once. The program is forked first and held at a pipe,
// because its pid is part of the default name of the capture; it is let go when the sink is open.
#include "collector/record.h"

#include "collector/collector.h"
#include "collector/pump.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <system_error>
#include <thread>

namespace memray {

namespace {

// ---------------------------------------------------------------------------------------------------- signals

volatile sig_atomic_t program_pid = 0;

// What the terminal sends reaches the program as well, being in the same process group; what was sent to this process
// alone is passed on.
void pass_on(int number, siginfo_t* info, void*) {
  if (info->si_code <= 0 && program_pid > 0 && info->si_pid != program_pid) kill(program_pid, number);
}

constexpr int kSignals[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};

class SignalForwarding {
 public:
  SignalForwarding() {
    struct sigaction action {};
    action.sa_sigaction = pass_on;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    for (std::size_t i = 0; i < std::size(kSignals); ++i) sigaction(kSignals[i], &action, &before_[i]);
    // Whoever ignores it is never told how a child ended.
    struct sigaction plain {};
    plain.sa_handler = SIG_DFL;
    sigaction(SIGCHLD, &plain, &child_before_);
    sigaction(SIGPIPE, nullptr, &pipe_before_);
    signal(SIGPIPE, SIG_IGN);
  }
  ~SignalForwarding() { restore(); }
  SignalForwarding(const SignalForwarding&) = delete;
  SignalForwarding& operator=(const SignalForwarding&) = delete;

  // Also called in the child, so that the program starts with the dispositions that it would have had.
  void restore() const {
    for (std::size_t i = 0; i < std::size(kSignals); ++i) sigaction(kSignals[i], &before_[i], nullptr);
    sigaction(SIGPIPE, &pipe_before_, nullptr);
    sigaction(SIGCHLD, &child_before_, nullptr);
  }

 private:
  struct sigaction before_[std::size(kSignals)]{};
  struct sigaction pipe_before_ {};
  struct sigaction child_before_ {};
};

// ---------------------------------------------------------------------------------------------------- the program

class Pipe {
 public:
  Pipe() {
    if (pipe2(fds_, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  }
  ~Pipe() { close_read(), close_write(); }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  int read_end() const { return fds_[0]; }
  int write_end() const { return fds_[1]; }
  void close_read() { close_fd(fds_[0]); }
  void close_write() { close_fd(fds_[1]); }

 private:
  static void close_fd(int& fd) {
    if (fd >= 0) close(fd);
    fd = -1;
  }
  int fds_[2] = {-1, -1};
};

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (std::string& s : strings) result.push_back(s.data());
  result.push_back(nullptr);
  return result;
}

// In the child: waits for the word to go, then becomes the program. Returns only to report failure.
[[noreturn]] void become_program(const RecordRequest& request, const collector::Session& session, Pipe& go,
                                 Pipe& failure) {
  go.close_write();
  char word = 0;
  ssize_t n;
  do n = read(go.read_end(), &word, 1);
  while (n < 0 && errno == EINTR);
  if (n != 1) _exit(127);
  std::vector<std::string> arguments = request.argv;
  std::vector<std::string> environment = session.environment(environ);
  execve(request.executable.c_str(), pointers(arguments).data(), pointers(environment).data());
  const int error = errno;
  [[maybe_unused]] const ssize_t told = write(failure.write_end(), &error, sizeof error);
  _exit(127);
}

Ending ending_of(int wait_status) {
  Ending ending;
  if (WIFSIGNALED(wait_status)) {
    ending.kind = Ending::Kind::signalled;
    ending.code = WTERMSIG(wait_status);
    ending.core_dumped = WCOREDUMP(wait_status);
  } else {
    ending.kind = Ending::Kind::exited;
    ending.code = WEXITSTATUS(wait_status);
  }
  return ending;
}

// Waits until the program has ended or `timeout` is over. Returns whether it has ended.
bool wait_for_end(int pidfd, pid_t pid, std::chrono::microseconds timeout, int& status) {
  if (pidfd >= 0) {
    pollfd fd{pidfd, POLLIN, 0};
    const timespec limit{0, static_cast<long>(timeout.count()) * 1000};
    ppoll(&fd, 1, &limit, nullptr);
  } else {
    usleep(static_cast<useconds_t>(timeout.count()));
  }
  return waitpid(pid, &status, WNOHANG) == pid;
}

// Collects until the program and all followed children have ended.
Ending collect(collector::Collector& collector, pid_t pid, std::chrono::milliseconds sample_interval) {
  const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  collector::Pump pump(collector, sample_interval);
  int status = 0;
  // Followed children may outlive the program; their memory is part of the recording.
  for (bool ended = false; !ended || collector.running(); pump.step()) {
    if (ended) {
      std::this_thread::sleep_for(pump.wait());
    } else {
      ended = wait_for_end(pidfd, pid, pump.wait(), status);
    }
  }
  if (pidfd >= 0) close(pidfd);
  collector.drain(true);
  return ending_of(status);
}

// False if the held child was killed meanwhile, as by Ctrl-C, which reaches it too.
bool wait_for_reader(Sink& sink, pid_t pid, Status& status) {
  using namespace std::chrono_literals;
  for (;;) {
    status = sink.tick();
    if (!status.ok() || sink.ready()) return true;
    siginfo_t ended{};
    if (waitid(P_PID, static_cast<id_t>(pid), &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid != 0)
      return false;
    std::this_thread::sleep_for(10ms);
  }
}

void replace_pid(std::string& text, pid_t pid) {
  for (auto at = text.find("%p"); at != text.npos; at = text.find("%p", at)) text.replace(at, 2, std::to_string(pid));
}

RecordResult never_started(std::string why) {
  RecordResult result;
  result.status = Status::error(std::move(why));
  return result;
}

}  // namespace

RecordResult record(const RecordRequest& request) try {
  collector::Session session(request);
  SignalForwarding signals;
  Pipe go, failure;

  const pid_t pid = fork();
  if (pid < 0) return never_started(fmt::format("cannot start a process: {}", std::strerror(errno)));
  if (pid == 0) {
    signals.restore();
    become_program(request, session, go, failure);
  }
  program_pid = pid;
  go.close_read();
  failure.close_write();

  // Lets the held child go without running the program.
  auto abandon = [&](std::string message) {
    go.close_write();
    waitpid(pid, nullptr, 0);
    return never_started(std::move(message));
  };

  SinkConfig sink_config = request.sink_config;
  if (!sink_config.output_given) replace_pid(sink_config.output, pid);
  if (Status status = request.sink->open(sink_config); !status.ok()) return abandon(status.message());
  session.set_target(static_cast<std::uint32_t>(pid));
  if (request.on_start) request.on_start(request.sink->destination());

  collector::Collector collector(session, *request.sink, collector::initial_metadata(request, pid));
  collector.on_warning = collector::warn;
  collector.on_progress = request.on_symbols;
  collector.expect_program(request.executable);
  if (request.wait_for_reader) {
    Status status;
    const bool there = wait_for_reader(*request.sink, pid, status);
    if (!there || !status.ok()) {
      const Status discarded = request.sink->finish(collector.metadata(), true);
      if (there) return abandon(status.message());
      int wait_status = 0;
      waitpid(pid, &wait_status, 0);
      RecordResult interrupted;
      interrupted.ending = ending_of(wait_status);
      return interrupted;
    }
  }
  if (write(go.write_end(), "g", 1) != 1) return abandon("cannot start the program");
  int exec_error = 0;
  if (read(failure.read_end(), &exec_error, sizeof exec_error) == sizeof exec_error) {
    const Status discarded = request.sink->finish(collector.metadata(), true);
    return abandon(fmt::format("cannot run {}: {}", request.executable.native(), std::strerror(exec_error)));
  }

  RecordResult result;
  result.started = true;
  result.ending = collect(collector, pid, std::chrono::milliseconds(request.memory_interval_ms));
  collector.finish(result.ending);
  result.totals = collector.totals();
  result.status = collector.sink_status();
  if (result.status.ok()) {
    if (const std::string why = collector.failure(); !why.empty()) {
      result.status = Status::error("nothing was recorded: " + why);
    } else if (!collector.attached()) {
      result.status = Status::error("nothing was recorded: the recorder could not be loaded into the program");
    }
  }
  return result;
} catch (const std::system_error& error) {
  return never_started(fmt::format("cannot start recording: {}", error.what()));
} catch (const std::exception& error) {
  return never_started(error.what());
}

void tell(const std::string& line) { std::fputs((line + '\n').c_str(), stderr); }

}  // namespace memray
