#include "collector/process_probe.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace memray::collector {

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
