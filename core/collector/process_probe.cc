#include "collector/process_probe.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <iterator>
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

const auto kPage = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));

int open_file(const char* name, std::uint32_t pid) {
  return open(fmt::format("/proc/{}/{}", pid, name).c_str(), O_RDONLY | O_CLOEXEC);
}

std::string read_file(const char* name, std::uint32_t pid) {
  std::string text;
  const int fd = open_file(name, pid);
  if (fd < 0) return text;
  char part[16 * 1024];
  for (ssize_t size; (size = read(fd, part, sizeof part)) > 0;) text.append(part, static_cast<std::size_t>(size));
  close(fd);
  return text;
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

std::optional<ProcessProbe::Memory> ProcessProbe::memory() {
  if (statm_ < 0) statm_ = open_file("statm", pid_);
  char text[128];
  const ssize_t size = statm_ < 0 ? -1 : pread(statm_, text, sizeof text - 1, 0);
  if (size <= 0) return std::nullopt;
  text[size] = '\0';
  char* next = text;
  const auto read = [&next] { return std::strtoull(next, &next, 10) * kPage; };
  Memory memory;
  memory.mapped = read();
  memory.resident = read();
  memory.anonymous = memory.resident - std::min<std::uint64_t>(read(), memory.resident);
  if (memory.resident == 0) return std::nullopt;
  return memory;
}

std::uint64_t ProcessProbe::proportional() const {
  const std::string text = read_file("smaps_rollup", pid_);
  const auto line = text.find("\nPss:");
  return line == text.npos ? 0 : std::strtoull(text.c_str() + line + 5, nullptr, 10) * 1024;
}

std::uint64_t ProcessProbe::mappings() const {
  const std::string text = read_file("maps", pid_);
  return static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

// A word for each page; the highest bit says that it is in memory.
std::uint64_t ProcessProbe::resident(std::uint64_t address, std::uint64_t bytes) const {
  const int fd = open_file("pagemap", pid_);
  if (fd < 0) return 0;
  std::uint64_t pages = 0;
  std::uint64_t words[512];
  for (std::uint64_t left = bytes / kPage, at = address / kPage; left > 0;) {
    const std::size_t wanted = std::min<std::uint64_t>(left, std::size(words)) * sizeof words[0];
    const ssize_t size = pread(fd, words, wanted, static_cast<off_t>(at * sizeof words[0]));
    if (size <= 0) break;
    const std::size_t count = static_cast<std::size_t>(size) / sizeof words[0];
    for (std::size_t i = 0; i < count; ++i) pages += words[i] >> 63;
    left -= count;
    at += count;
  }
  close(fd);
  return pages * kPage;
}

}  // namespace memray::collector
