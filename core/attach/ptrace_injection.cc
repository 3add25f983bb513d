// Which thread, and when: any thread that is at a safe place will do, and none is kept waiting while it is looked for.
// Threads are stopped one after the other, looked at and let go again; in a busy program one of the first is usable,
// and one that does nothing but wait can be used where it waits. All others run on all the time.
//
// Files get into the process as memory: it makes a memfd, this process takes a descriptor of the same memory
// (pidfd_getfd) and writes. So it does not matter what file system, or which user, the process has.
#include "attach/injection.h"

#include "attach/memory.h"
#include "attach/safe_place.h"
#include "attach/tracee.h"
#include "attach/way_back.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

namespace memray::attach {

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kPatience = 20s;
constexpr auto kFollowAfter = 1ms;             // of pauses between looks at all threads
constexpr std::size_t kMemoryBytes = 1 << 20;  // a stack for calls, and at its start texts
constexpr std::size_t kTextBytes = 4096;
constexpr std::size_t kCodeBytes = 4096;

std::vector<pid_t> threads_of(pid_t pid) {
  std::vector<pid_t> threads;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(fmt::format("/proc/{}/task", pid), error))
    threads.push_back(std::atoi(entry.path().filename().c_str()));
  return threads;
}

bool is_libc(std::string_view name) { return name.starts_with("libc.so") || name.starts_with("libc-2."); }

// Finds pieces of code among the executable bytes of libc; as data they may be parts of other instructions.
Tracee::Places find_places(pid_t pid, const std::vector<Mapping>& mappings) {
  constexpr std::string_view kSystemCall{"\x0f\x05\xc3", 3};
  Tracee::Places places;
  for (const Mapping& mapping : mappings) {
    if (!mapping.executable || !is_libc(mapping.name())) continue;
    std::string code(mapping.end - mapping.start, '\0');
    read_memory(pid, mapping.start, code.data(), code.size());
    const auto find = [&](std::string_view piece, std::uint64_t& place) {
      const auto found = code.find(piece);
      if (place == 0 && found != code.npos) place = mapping.start + found;
    };
    find(kSignalReturn, places.signal_return);
    find(kSystemCall, places.system_call);
  }
  if (places.signal_return == 0 || places.system_call == 0)
    throw AttachError(fmt::format("the C library of process {} is of an unknown kind", pid));
  return places;
}

Tracee find_thread(pid_t pid) {
  const SafePlace place(pid);
  const auto end = Clock::now() + kPatience;
  for (auto pause = 100us; Clock::now() < end; pause = std::min(pause * 2, std::chrono::microseconds(20'000))) {
    for (const pid_t tid : threads_of(pid)) {
      auto thread = Tracee::stop(pid, tid);
      if (!thread) continue;
      auto verdict = place.look_at(*thread);
      const bool patient = pause < kFollowAfter;
      if (!verdict.safe && verdict.until != 0 && !patient && thread->run_to(verdict.until))
        verdict = place.look_at(*thread);
      if (verdict.safe) return std::move(*thread);
    }
    if (access(fmt::format("/proc/{}/task", pid).c_str(), F_OK) != 0)
      throw AttachError(fmt::format("process {} has ended", pid));
    std::this_thread::sleep_for(pause);
  }
  throw AttachError(fmt::format(
      "no thread of process {} came to a place where a library could be loaded; it may be loading one itself, or be "
      "asleep in the kernel. Try again later",
      pid));
}

class PtraceInjection : public Injection {
 public:
  explicit PtraceInjection(pid_t pid);
  ~PtraceInjection() override;
  PtraceInjection(const PtraceInjection&) = delete;
  PtraceInjection& operator=(const PtraceInjection&) = delete;

  File make_memory_file(const std::string& name) override;
  void close(File& file) override;
  void load(int there) override;
  void call(std::uint64_t function, int number) override;

 private:
  std::uint64_t map(std::size_t bytes, int protection);
  std::uint64_t system_call(std::initializer_list<std::uint64_t> arguments);
  std::uint64_t put(const std::string& text);

  pid_t pid_;
  int pidfd_ = -1;
  std::uint64_t libc_ = 0;
  std::filesystem::path libc_file_;
  std::optional<Tracee> thread_;
  std::uint64_t memory_ = 0;
  std::uint64_t code_ = 0;
  std::uint64_t errno_address_ = 0;
  int errno_value_ = 0;
};

PtraceInjection::PtraceInjection(pid_t pid) : pid_(pid) {
  check_untraced(pid);
  pidfd_ = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (pidfd_ < 0) throw AttachError(fmt::format("there is no process {}", pid));
  const auto mappings = mappings_of(pid);
  const auto libc = find_mapping(mappings, is_libc);
  if (!libc) {
    throw AttachError(
        mappings.empty()
            ? why_not_permitted(pid)
            : fmt::format("process {} does not use the GNU C library as a shared library (it is static, or "
                          "uses another); nothing can be loaded into it",
                          pid));
  }
  libc_ = libc->start;
  libc_file_ = file_of(pid, *libc);
  Tracee::Places places = find_places(pid, mappings);
  const std::uint64_t errno_location = address_of(libc_file_, libc_, "__errno_location");

  thread_.emplace(find_thread(pid));
  thread_->set_places(places);
  memory_ = map(kMemoryBytes, PROT_READ | PROT_WRITE);
  thread_->set_stack(memory_ + kMemoryBytes);
  code_ = map(kCodeBytes, PROT_READ | PROT_EXEC);
  places.keeper = code_;
  places.result = memory_ + kTextBytes;
  thread_->write_code(code_, result_keeper(places.result));
  thread_->set_places(places);
  errno_address_ = thread_->call(errno_location, {});
  read_memory(pid_, errno_address_, &errno_value_, sizeof errno_value_);
}

PtraceInjection::~PtraceInjection() {
  try {
    if (thread_ && memory_ != 0) {
      if (errno_address_ != 0) write_memory(pid_, errno_address_, &errno_value_, sizeof errno_value_);
      if (code_ != 0) system_call({SYS_munmap, code_, kCodeBytes});
      thread_->set_stack(0);
      system_call({SYS_munmap, memory_, kMemoryBytes});
    }
  } catch (const AttachError&) {  // it has ended
  }
  if (pidfd_ >= 0) ::close(pidfd_);
}

std::uint64_t PtraceInjection::map(std::size_t bytes, int protection) {
  const std::uint64_t nothing = static_cast<std::uint64_t>(-1);
  const std::uint64_t address = system_call(
      {SYS_mmap, 0, bytes, static_cast<std::uint64_t>(protection), MAP_PRIVATE | MAP_ANONYMOUS, nothing, 0});
  if (static_cast<std::int64_t>(address) < 0) throw AttachError(fmt::format("process {} has no memory left", pid_));
  return address;
}

std::uint64_t PtraceInjection::system_call(std::initializer_list<std::uint64_t> arguments) {
  return thread_->system_call(arguments);
}

std::uint64_t PtraceInjection::put(const std::string& text) {
  write_memory(pid_, memory_, text.c_str(), std::min(text.size() + 1, kTextBytes));
  return memory_;
}

Injection::File PtraceInjection::make_memory_file(const std::string& name) {
  constexpr std::uint64_t kExecutable = 0x10;  // MFD_EXEC, without which newer kernels warn
  File file;
  for (const std::uint64_t flags : {MFD_CLOEXEC | kExecutable, std::uint64_t{MFD_CLOEXEC}}) {
    file.there = static_cast<int>(system_call({SYS_memfd_create, put(name), flags}));
    if (file.there >= 0) break;
  }
  if (file.there < 0) throw AttachError(fmt::format("process {} has too many files open", pid_));
  file.here = static_cast<int>(syscall(SYS_pidfd_getfd, pidfd_, file.there, 0));
  if (file.here < 0) {
    file.here = open(fmt::format("/proc/{}/fd/{}", pid_, file.there).c_str(), O_RDWR | O_CLOEXEC);
  }
  if (file.here >= 0) return file;
  close(file);
  throw AttachError(fmt::format("the memory of process {} cannot be shared", pid_));
}

void PtraceInjection::close(File& file) {
  if (file.there >= 0) system_call({SYS_close, static_cast<std::uint64_t>(file.there)});
  if (file.here >= 0) ::close(file.here);
  file = {};
}

void PtraceInjection::load(int there) {
  const std::string path = fmt::format("/proc/self/fd/./{}", there);
  constexpr std::uint64_t kNowAndLocal = 2;  // RTLD_NOW | RTLD_LOCAL
  if (thread_->call(address_of(libc_file_, libc_, "dlopen"), {put(path), kNowAndLocal}) != 0) return;
  const std::uint64_t why = thread_->call(address_of(libc_file_, libc_, "dlerror"), {});
  throw AttachError(fmt::format("the recorder cannot be loaded into process {}: {}", pid_,
                                why != 0 ? read_text(pid_, why) : "its dynamic loader does not say why"));
}

void PtraceInjection::call(std::uint64_t function, int number) {
  const std::uint64_t text = put(std::string(kAnswerBytes, '\0'));
  const auto result = static_cast<int>(thread_->call(function, {static_cast<std::uint64_t>(number), text}));
  if (result != 0) throw AttachError(read_text(pid_, text));
}

}  // namespace

std::unique_ptr<Injection> enter_by_ptrace(pid_t pid) { return std::make_unique<PtraceInjection>(pid); }

}  // namespace memray::attach
