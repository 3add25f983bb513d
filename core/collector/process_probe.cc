#include "collector/process_probe.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

namespace memray::collector {

namespace {

// struct pidfd_info of <linux/pidfd.h>, which older systems do not have.
struct PidfdInfo {
  std::uint64_t mask;
  std::uint64_t cgroup;
  std::uint32_t numbers[11];
  std::int32_t exit_code;
};
static_assert(sizeof(PidfdInfo) == 64);
constexpr std::uint64_t kExitInfo = 1u << 3;

// Since Linux 6.15, and once the parent has been told.
std::optional<int> status_of_reaped(int pidfd) {
  PidfdInfo info{};
  info.mask = kExitInfo;
  const bool told = ioctl(pidfd, _IOWR(0xff, 11, PidfdInfo), &info) == 0 && (info.mask & kExitInfo) != 0;
  return told ? std::optional<int>(info.exit_code) : std::nullopt;
}

// Until the parent has been told. The name, which may hold anything, ends with the last parenthesis; "Z" follows.
std::optional<int> status_of_zombie(std::uint32_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string line;
  std::getline(file, line);
  const auto name_end = line.rfind(')');
  if (name_end == line.npos) return std::nullopt;
  std::istringstream fields(line.substr(name_end + 1));
  std::string field;
  fields >> field;
  if (field != "Z") return std::nullopt;
  constexpr int kState = 3, kExitCode = 52;
  for (int i = kState; i < kExitCode; ++i) fields >> field;
  return std::atoi(field.c_str());
}

}  // namespace

ProcessProbe::ProcessProbe(std::uint32_t pid)
    : pid_(pid), pidfd_(static_cast<int>(syscall(SYS_pidfd_open, static_cast<pid_t>(pid), 0))) {}

ProcessProbe::~ProcessProbe() {
  if (pidfd_ >= 0) close(pidfd_);
  if (statm_ >= 0) close(statm_);
}

// Without pidfds (Linux before 5.3, or no descriptor left) the number is asked for; it might belong to another by now.
bool ProcessProbe::gone() const {
  if (pidfd_ < 0) return kill(static_cast<pid_t>(pid_), 0) != 0 && errno == ESRCH;
  pollfd fd{pidfd_, POLLIN, 0};
  return poll(&fd, 1, 0) == 1;
}

Ending ProcessProbe::ending() const {
  Ending ending;
  ending.kind = Ending::Kind::ended;
  auto status = status_of_zombie(pid_);
  if (!status) status = status_of_reaped(pidfd_);
  if (!status) return ending;
  ending.kind = WIFSIGNALED(*status) ? Ending::Kind::signalled : Ending::Kind::exited;
  ending.code = WIFSIGNALED(*status) ? WTERMSIG(*status) : WEXITSTATUS(*status);
  ending.core_dumped = WIFSIGNALED(*status) && WCOREDUMP(*status);
  return ending;
}

std::optional<std::uint64_t> ProcessProbe::rss() {
  if (statm_ < 0) statm_ = open(fmt::format("/proc/{}/statm", pid_).c_str(), O_RDONLY | O_CLOEXEC);
  char text[128];
  const ssize_t size = statm_ < 0 ? -1 : pread(statm_, text, sizeof text - 1, 0);
  if (size <= 0) return std::nullopt;
  text[size] = '\0';
  char* resident = nullptr;
  std::strtoull(text, &resident, 10);  // the first number is the address space
  const std::uint64_t pages = std::strtoull(resident, nullptr, 10);
  if (pages == 0) return std::nullopt;
  return pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace memray::collector
