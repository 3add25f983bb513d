// What is done, in this order:
//
//   1. look at the process from outside; whatever forbids it is said before anything is touched
//   2. get a thread that can be made to do things: one that is stopped at a safe place (ptrace_injection.cc), or one
//   that
//      the interpreter makes for us (script_injection.cc)
//   3. the process makes the shared memory; what it is to load and has not loaded before is written into memory of its
//   4. the collector starts with that memory, opens the output, and says that it is ready
//   5. the process loads the recorder, joins the session and starts recording
//   6. the thread goes on where it was
//
// If anything fails, the process keeps at most a library that is loaded and does nothing.
#include "attach/attach.h"

#include "attach/gdb.h"
#include "attach/injection.h"
#include "attach/memory.h"
#include "attach/remote_exec.h"
#include "session/layout.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

namespace memray::attach {

namespace {

constexpr std::string_view kSessionName = "memfd:memray";

std::optional<Mapping> find_session(pid_t pid) {
  return find_mapping(mappings_of(pid), [](std::string_view name) { return name == kSessionName; });
}

// The session that a process has mapped, if any.
class MappedSession {
 public:
  explicit MappedSession(pid_t pid) : place_(find_session(pid)) {
    if (!place_) return;
    auto* seen = reinterpret_cast<session::Control*>(seen_);
    try {
      read_memory(pid, place_->start, seen, offsetof(session::Control, requested));
    } catch (const AttachError&) {  // gdb might be allowed to
      find_collector();
      return;
    }
    if (seen->magic != session::kMagic || seen->version != session::kVersion) return;
    ours_ = true;
    map(seen->collector_pid);
  }
  ~MappedSession() {
    if (control_) munmap(control_, session::kPoolOffset);
  }
  MappedSession(const MappedSession&) = delete;
  MappedSession& operator=(const MappedSession&) = delete;

  bool recorded() const { return place_.has_value(); }
  std::uint64_t inode() const { return place_->inode; }
  // Attached to by a memray whose collector is no more.
  bool orphaned() const {
    const auto* seen = reinterpret_cast<const session::Control*>(seen_);
    return ours_ && !control_ && seen->attached != 0 && !session::collector_lives(*seen);
  }
  // In this process; nullptr if that is not possible.
  session::Control* control() const { return control_; }

 private:
  void find_collector() {
    for (const pid_t pid : processes_that_map(kSessionName, inode())) {
      map(static_cast<std::uint32_t>(pid));
      if (control_ && control_->version == session::kVersion) return;
    }
  }

  // The collector has a descriptor of it.
  void map(std::uint32_t collector) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(fmt::format("/proc/{}/fd", collector), error)) {
      struct stat status {};
      if (stat(entry.path().c_str(), &status) != 0 || status.st_ino != inode()) continue;
      if (std::filesystem::read_symlink(entry.path(), error).string() != "/memfd:memray (deleted)") continue;
      const int fd = open(entry.path().c_str(), O_RDWR | O_CLOEXEC);
      if (fd < 0) return;
      void* memory = mmap(nullptr, session::kPoolOffset, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
      close(fd);
      if (memory != MAP_FAILED) control_ = static_cast<session::Control*>(memory);
      return;
    }
  }

  std::optional<Mapping> place_;
  alignas(session::Control) std::byte seen_[offsetof(session::Control, image)] = {};
  bool ours_ = false;
  session::Control* control_ = nullptr;
};

std::string already_recorded(pid_t pid) {
  return fmt::format(
      "process {} is already being recorded by memray; memray detach {} ends a recording that was attached", pid, pid);
}

bool is_mapped(const std::vector<Mapping>& mappings, const std::filesystem::path& file) {
  const std::string name = file.filename();
  return find_mapping(mappings, [&](std::string_view n) { return n == name || n == "memfd:" + name; }).has_value();
}

// Plugins that an earlier session has left are used again; the others are copied into the process.
class Files {
 public:
  Files(Injection& injection, pid_t pid) : injection_(injection), mappings_(mappings_of(pid)) {}
  ~Files() {
    for (auto& file : files_) {
      if (file.here >= 0) close(file.here);
    }
  }
  Files(const Files&) = delete;
  Files& operator=(const Files&) = delete;

  bool is_loaded(const std::filesystem::path& file) const { return is_mapped(mappings_, file); }

  // The number of a descriptor there.
  int copy(const std::filesystem::path& file) {
    files_.push_back(injection_.copy_file(file.filename(), file));
    return files_.back().there;
  }

  void prepare(std::vector<TargetPlugin>& plugins) {
    for (TargetPlugin& plugin : plugins)
      plugin.load = is_loaded(plugin.file) ? "loaded:" + plugin.name : fmt::format("fd:{}", copy(plugin.file));
  }

  // Of those that are still open there.
  void close_all() {
    for (auto& file : files_) injection_.close(file);
  }

 private:
  Injection& injection_;
  std::vector<Mapping> mappings_;
  std::vector<Injection::File> files_;
};

// Reads the collector's line. Throws AttachError if it is not the empty one.
void hear(int fd) {
  std::string line;
  char c = 0;
  for (ssize_t n; (n = read(fd, &c, 1)) != 0 && c != '\n';) {
    if (n > 0) line += c;
  }
  close(fd);
  if (c != '\n') throw AttachError("the collector ended before it was ready");
  if (!line.empty()) throw AttachError(line);
}

// A process without a terminal and without a parent that waits for it.
void start_collector(CollectRequest request, Injection* injection) {
  int reply[2], life[2];  // of `life`, this process keeps an end open until its own
  if (pipe2(reply, O_CLOEXEC) != 0 || pipe2(life, O_CLOEXEC) != 0) throw AttachError("too many open files");
  const pid_t between = fork();
  if (between < 0) throw AttachError(fmt::format("no process can be made: {}", std::strerror(errno)));
  if (between == 0) {
    setsid();
    if (fork() != 0) _exit(0);
    close(reply[0]);
    close(life[1]);
    if (injection) injection->forget();
    request.reply = reply[1];
    request.bringer = life[0];
    request.ready = [&record = request.record] {
      if (!record.quiet) fmt::print("{}", record.sink->instructions());
      std::fflush(stdout);
      const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
      for (const int fd : {0, 1, 2}) dup2(null, fd);
    };
    _exit(collect(request) ? 0 : 1);
  }
  close(reply[1]);
  close(life[0]);
  waitpid(between, nullptr, 0);
  hear(reply[0]);
}

std::string destination_of(int session) {
  void* memory = mmap(nullptr, session::kPoolOffset, PROT_READ, MAP_SHARED, session, 0);
  if (memory == MAP_FAILED) return "";
  std::string destination = static_cast<const session::Control*>(memory)->destination;
  munmap(memory, session::kPoolOffset);
  return destination;
}

// The collector, told that it is not needed: the process has left before it began.
void dismiss(int session) {
  void* memory = mmap(nullptr, session::kPoolOffset, PROT_READ | PROT_WRITE, MAP_SHARED, session, 0);
  if (memory == MAP_FAILED) return;
  static_cast<session::Control*>(memory)->left.store(1);
  munmap(memory, session::kPoolOffset);
}

void load_recorder(Injection& injection, Files& files, const std::filesystem::path& recorder) {
  if (files.is_loaded(recorder)) return;
  injection.load(files.copy(recorder));
}

std::uint64_t function_of_recorder(pid_t pid, const std::filesystem::path& recorder, const char* name) {
  const auto function = find_in_recorder(pid, recorder, name);
  if (!function) throw AttachError(fmt::format("process {} has no recorder loaded", pid));
  return *function;
}

std::unique_ptr<Injection> enter(pid_t pid, Method method) {
  if (method == Method::remote_exec) return enter_by_script(pid);
  if (method == Method::ptrace) return enter_by_ptrace(pid);
  try {
    return enter_by_ptrace(pid);
  } catch (const AttachError&) {
    if (!runs_scripts(pid)) throw;
  }
  return enter_by_script(pid);
}

void leave_alone(pid_t pid, const std::filesystem::path& recorder, Method method) {
  check_target(pid);
  if (method == Method::gdb) return call_by_gdb(pid, "", "memray_leave", "");
  enter(pid, method)->call(function_of_recorder(pid, recorder, "memray_leave"), 0);
}

// Children that were followed. They make more of themselves while they are being looked for.
void leave_children(std::uint64_t session, pid_t collector, const std::filesystem::path& recorder, Method method) {
  constexpr int kRounds = 20;
  for (int round = 0; round < kRounds; ++round) {
    auto children = processes_that_map(kSessionName, session);
    std::erase(children, collector);
    std::erase(children, getpid());
    if (children.empty()) return;
    for (const pid_t child : children) {
      try {
        leave_alone(child, recorder, method);
      } catch (const AttachError&) {  // most likely it has ended
      }
    }
  }
}

// Everything goes by the names of files, which the process must have as well.
std::string attach_by_gdb(CollectRequest request) {
  check_untraced(request.pid);
  const auto mappings = mappings_of(request.pid);
  const auto is_loaded = [&](const std::filesystem::path& file) { return is_mapped(mappings, file); };
  for (auto* plugins : {&request.record.unwinders, &request.record.hooks}) {
    for (TargetPlugin& plugin : *plugins) plugin.load = is_loaded(plugin.file) ? "loaded:" + plugin.name : "";
  }
  const int session = memfd_create("memray", MFD_CLOEXEC);
  if (session < 0) throw AttachError("there is no shared memory for a recording");
  request.session = session;
  request.pid_there = pid_in_namespace(request.pid);
  request.follows_exec = request.pid_there == request.pid;
  start_collector(request, nullptr);
  try {
    call_by_gdb(request.pid, is_loaded(request.record.recorder) ? "" : request.record.recorder, "memray_join",
                fmt::format("/proc/{}/fd/{}", getpid(), session));
  } catch (const AttachError&) {
    dismiss(session);
    close(session);
    throw;
  }
  std::string destination = destination_of(session);
  close(session);
  return destination;
}

}  // namespace

std::string attach(CollectRequest request, Method method) {
  const pid_t pid = request.pid;
  const auto& recorder = request.record.recorder;
  check_target(pid);
  if (const MappedSession session(pid); session.orphaned()) {
    leave_alone(pid, recorder, method);
  } else if (session.recorded()) {
    throw AttachError(already_recorded(pid));
  }
  if (method == Method::gdb) return attach_by_gdb(std::move(request));
  find_in_recorder(pid, recorder, "memray_join");  // complains of another version

  const auto way = enter(pid, method);
  Injection& injection = *way;
  Files files(injection, pid);
  Injection::File session = injection.make_memory_file("memray");
  try {
    load_recorder(injection, files, recorder);
    files.prepare(request.record.unwinders);
    files.prepare(request.record.hooks);
    request.session = session.here;
    request.pid_there = pid_in_namespace(pid);
    request.follows_exec = request.pid_there == pid;
    start_collector(request, &injection);
    try {
      injection.call(function_of_recorder(pid, recorder, "memray_join"), session.there);
    } catch (const AttachError&) {
      dismiss(session.here);
      throw;
    }
  } catch (const AttachError&) {
    try {
      injection.close(session);
      files.close_all();
    } catch (const AttachError&) {  // it has ended; the first message says more
    }
    throw;
  }
  std::string destination = destination_of(session.here);
  injection.close(session);
  files.close_all();
  return destination;
}

void leave(pid_t pid, const std::filesystem::path& recorder, Method method) {
  const MappedSession session(pid);
  leave_alone(pid, recorder, method);
  if (session.control() && session.control()->follow != 0)
    leave_children(session.inode(), static_cast<pid_t>(session.control()->collector_pid), recorder, method);
}

Ended detach(pid_t pid, const std::filesystem::path& recorder, Method method) {
  check_target(pid);
  const MappedSession session(pid);
  if (!session.recorded()) throw AttachError(fmt::format("process {} is not being recorded", pid));
  if (session.orphaned()) {
    leave_alone(pid, recorder, method);
    return {"", "its collector was killed; what that had written is in its file"};
  }
  const auto* control = session.control();
  if (!control)
    throw AttachError(fmt::format("process {} is being recorded by another memray, or another user's", pid));
  if (control->records_itself != 0)
    throw AttachError(fmt::format("process {} records itself; only it can end that", pid));
  if (control->attached == 0)
    throw AttachError(fmt::format("process {} was started by memray run; its recording ends with it", pid));
  const int collector = static_cast<int>(syscall(SYS_pidfd_open, control->collector_pid, 0));
  leave(pid, recorder, method);
  if (collector >= 0) {
    pollfd end{collector, POLLIN, 0};
    while (poll(&end, 1, -1) < 0 && errno == EINTR) {
    }
    close(collector);
  }
  return {control->destination, control->answer_is_error != 0 ? control->answer : ""};
}

}  // namespace memray::attach
