// The collector is started by the program but must not look like a child of it: a program that waits for "any child"
// would find it, and would get a SIGCHLD that it does not know what to do with. So a process in between makes it and
// ends at once. That one is made with no signal at its end and waited for as a "clone child", which ordinary waits do
// not see. Both share this process's memory until they are done, as with vfork: copying the page tables of a large
// program would take longer than everything else. They run one after the other, on stacks of their own, with all
// signals blocked.
#include "collector_process.h"

#include "session/layout.h"
#include "syscalls.h"

#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstring>

namespace memray::recorder {

namespace {

constexpr std::size_t kStackBytes = 32 << 10;
constexpr std::size_t kScratchBytes = 256 << 10;
constexpr int kSessionFd = 3, kReplyFd = 4, kFirstOther = 5;

struct Start {
  char** argv;
  char** envp;
  int session;
  int reply;
  int null;
  char* stack_end;  // of the collector's process until it is the collector
  long pid;
  long error;
};

int move(int fd, int to) { return static_cast<int>(sys::call(SYS_dup3, fd, to, 0)); }

void close_others() {
  if (sys::call(SYS_close_range, kFirstOther, ~0u, 0) == 0) return;
  for (int fd = kFirstOther; fd < 65536; ++fd) sys::close(fd);
}

int become_collector(void* argument) {
  auto& start = *static_cast<Start*>(argument);
  sys::call(SYS_setsid);
  // First out of each other's way.
  const long session = sys::call(SYS_fcntl, start.session, F_DUPFD, 10);
  const long reply = sys::call(SYS_fcntl, start.reply, F_DUPFD, 10);
  const long null = sys::call(SYS_fcntl, start.null, F_DUPFD, 10);
  if (session < 0 || reply < 0 || null < 0) {
    start.error = 24;  // EMFILE
  } else {
    move(static_cast<int>(null), 0);
    move(static_cast<int>(null), 1);
    move(static_cast<int>(session), kSessionFd);
    move(static_cast<int>(reply), kReplyFd);
    close_others();
    start.error = -sys::call(SYS_execve, reinterpret_cast<long>(start.argv[0]), reinterpret_cast<long>(start.argv),
                             reinterpret_cast<long>(start.envp));
  }
  sys::call(SYS_exit_group, 127);
  return 127;
}

int make_collector(void* argument) {
  auto& start = *static_cast<Start*>(argument);
  start.pid = clone(become_collector, start.stack_end, CLONE_VM | CLONE_VFORK | SIGCHLD, argument);
  sys::call(SYS_exit_group, 0);
  return 0;
}

// A bump allocator for what the new process is given.
class Scratch {
 public:
  Scratch() : begin_(static_cast<char*>(sys::map(kScratchBytes))), at_(begin_) {}
  ~Scratch() {
    if (begin_) sys::unmap(begin_, kScratchBytes);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  explicit operator bool() const { return begin_ != nullptr; }
  void* take(std::size_t bytes) {
    bytes = (bytes + 15) / 16 * 16;
    if (at_ + bytes > begin_ + kScratchBytes) return nullptr;
    void* const result = at_;
    at_ += bytes;
    return result;
  }

 private:
  char* begin_;
  char* at_;
};

bool is_ours(const char* variable) {
  return std::strncmp(variable, "LD_PRELOAD=", 11) == 0 || std::strncmp(variable, "MEMRAY_SESSION=", 15) == 0;
}

// The program's environment, but for what would go into the collector as well.
char** environment(Scratch& scratch) {
  std::size_t count = 0;
  while (environ && environ[count]) ++count;
  auto** result = static_cast<char**>(scratch.take((count + 1) * sizeof(char*)));
  if (!result) return nullptr;
  std::size_t used = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (!is_ours(environ[i])) result[used++] = environ[i];
  }
  result[used] = nullptr;
  return result;
}

char** command_line(Scratch& scratch, const char* command, const char* const* arguments, const char* extra) {
  std::size_t count = 0;
  while (arguments && arguments[count]) ++count;
  auto** argv = static_cast<char**>(scratch.take((count + 8) * sizeof(char*)));
  auto* pid = static_cast<char*>(scratch.take(32));
  auto* version = static_cast<char*>(scratch.take(64));
  if (!argv || !pid || !version) return nullptr;
  std::snprintf(pid, 32, "--pid=%u", sys::getpid());
  std::snprintf(version, 64, "--session-version=%u", session::kVersion);
  static char collect[] = "collect", session_option[] = "--session-fd=3", reply_option[] = "--reply-fd=4";
  std::size_t n = 0;
  argv[n++] = const_cast<char*>(command);
  argv[n++] = collect;
  argv[n++] = session_option;
  argv[n++] = reply_option;
  argv[n++] = pid;
  argv[n++] = version;
  for (std::size_t i = 0; i < count; ++i) argv[n++] = const_cast<char*>(arguments[i]);
  argv[n++] = const_cast<char*>(extra);
  argv[n] = nullptr;
  return argv;
}

const char* run(Start& start, char* stack_end) {
  std::uint64_t all = ~std::uint64_t{0};
  std::uint64_t before = 0;
  sys::call(SYS_rt_sigprocmask, SIG_SETMASK, reinterpret_cast<long>(&all), reinterpret_cast<long>(&before), 8);
  const int between = clone(make_collector, stack_end, CLONE_VM | CLONE_VFORK, &start);
  if (between > 0) sys::call(SYS_wait4, between, 0, __WCLONE, 0);
  sys::call(SYS_rt_sigprocmask, SIG_SETMASK, reinterpret_cast<long>(&before), 0, 8);
  if (between < 0 || start.pid < 0) return "the collector cannot be started: no process can be made";
  if (start.error != 0) return "the collector cannot be started: the memray command cannot be run";
  return nullptr;
}

}  // namespace

const char* start_collector(const char* command, const char* const* arguments, const char* extra, int session,
                            CollectorProcess* collector) {
  Scratch scratch;
  auto* stacks = scratch ? static_cast<char*>(scratch.take(2 * kStackBytes)) : nullptr;
  char** const argv = stacks ? command_line(scratch, command, arguments, extra) : nullptr;
  char** const envp = argv ? environment(scratch) : nullptr;
  if (!envp) return "the collector cannot be started: out of memory";
  int reply[2];
  if (pipe2(reply, O_CLOEXEC) != 0) return "the collector cannot be started: too many open files";
  const int null = sys::open("/dev/null", O_RDWR);
  Start start{argv, envp, session, reply[1], null, stacks + 2 * kStackBytes, 0, 0};
  const char* why = run(start, stacks + kStackBytes);
  sys::close(reply[1]);
  sys::close(null);
  if (why) {
    sys::close(reply[0]);
    return why;
  }
  *collector = {static_cast<int>(start.pid), reply[0]};
  return nullptr;
}

}  // namespace memray::recorder
