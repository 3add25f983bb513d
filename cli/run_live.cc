#include "run_live.h"

#include "cli.h"
#include "live_screen.h"

#include "live/watcher.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>

namespace memray::cli {
namespace {

constexpr auto kPatience = std::chrono::seconds(3);

[[noreturn]] void record_in_child(const std::function<int(int fd)>& record, int fd, int errors) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  dup2(null, STDIN_FILENO);
  dup2(null, STDOUT_FILENO);
  dup2(errors, STDERR_FILENO);
  int code = kFailure;
  try {
    code = record(fd);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
  }
  std::fflush(stderr);
  _exit(code);
}

// Nothing is done by whoever has ended already.
bool has_ended(pid_t child, int& status) {
  const pid_t ended = waitpid(child, &status, WNOHANG);
  return ended == child || (ended < 0 && errno == ECHILD);
}

// memray passes SIGTERM on to the program, which may take its time.
void end_child(pid_t child, int& status) {
  kill(child, SIGTERM);
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!has_ended(child, status)) {
    if (std::chrono::steady_clock::now() > until) kill(child, SIGKILL);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

void show(int errors) {
  char bytes[4096];
  lseek(errors, 0, SEEK_SET);
  for (ssize_t count; (count = read(errors, bytes, sizeof bytes)) > 0;)
    std::fwrite(bytes, 1, static_cast<std::size_t>(count), stderr);
}

}  // namespace

int run_live(const std::function<int(int fd)>& record) {
  if (isatty(STDOUT_FILENO) == 0)
    throw Failure("--live draws on a terminal, and standard output is none; --live-remote serves without one");
  int ends[2];
  const int errors = memfd_create("memray-live-errors", MFD_CLOEXEC);
  if (errors < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    throw Failure(fmt::format("the recording cannot be started: {}", std::strerror(errno)));
  const pid_t child = fork();
  if (child < 0) throw Failure(fmt::format("the recording cannot be started: {}", std::strerror(errno)));
  if (child == 0) {
    close(ends[0]);
    record_in_child(record, ends[1], errors);
  }
  close(ends[1]);
  std::string problem;
  {
    live::Watcher watcher(ends[0]);
    watch_on_terminal(watcher);
    problem = watcher.problem();
  }
  int status = 0;
  if (!has_ended(child, status)) {
    end_child(child, status);
    status = 0;
  }
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (code != 0) show(errors);
  close(errors);
  if (code == 0 && !problem.empty()) throw Failure(problem);
  return code;
}

}  // namespace memray::cli
