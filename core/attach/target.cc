#include "attach/target.h"

#include "plugin/elf_file.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <fstream>
#include <sstream>

namespace memray::attach {

namespace {

constexpr std::string_view kDeleted = " (deleted)";

std::string first_line(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

std::uint64_t hexadecimal(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value, 16);
  return value;
}

void check_state(pid_t pid) {
  const std::string state = status_field(pid, "State");
  if (state.starts_with('Z') || state.starts_with('X'))
    throw AttachError(fmt::format("process {} has ended; nobody has asked how, so it is still listed", pid));
  if (state.starts_with('T'))
    throw AttachError(fmt::format("process {} is stopped; let it go on first (kill -CONT {})", pid, pid));
  if (status_field(pid, "Kthread") == "1") throw AttachError(fmt::format("process {} is a part of the kernel", pid));
}

}  // namespace

std::string_view Mapping::name() const {
  std::string_view name = path;
  if (name.ends_with(kDeleted)) name.remove_suffix(kDeleted.size());
  const auto slash = name.rfind('/');
  return slash == name.npos ? name : name.substr(slash + 1);
}

std::vector<Mapping> mappings_of(pid_t pid) {
  std::vector<Mapping> mappings;
  std::ifstream file(fmt::format("/proc/{}/maps", pid));
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    std::string range, rights, offset, device;
    Mapping mapping;
    fields >> range >> rights >> offset >> device >> mapping.inode >> std::ws;
    const auto dash = range.find('-');
    if (dash == range.npos || rights.size() < 3) continue;
    mapping.start = hexadecimal(std::string_view(range).substr(0, dash));
    mapping.end = hexadecimal(std::string_view(range).substr(dash + 1));
    mapping.offset = hexadecimal(offset);
    mapping.executable = rights[2] == 'x';
    std::getline(fields, mapping.path);
    mappings.push_back(std::move(mapping));
  }
  return mappings;
}

std::vector<pid_t> processes_that_map(std::string_view name, std::uint64_t inode) {
  std::vector<pid_t> processes;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const pid_t pid = std::atoi(entry.path().filename().c_str());
    if (pid <= 0) continue;
    const auto found = find_mapping(mappings_of(pid), [&](std::string_view n) { return n == name; });
    if (found && found->inode == inode) processes.push_back(pid);
  }
  return processes;
}

std::filesystem::path file_of(pid_t pid, const Mapping& mapping) {
  const std::string by_range = fmt::format("/proc/{}/map_files/{:x}-{:x}", pid, mapping.start, mapping.end);
  if (access(by_range.c_str(), R_OK) == 0) return by_range;
  return fmt::format("/proc/{}/root{}", pid, mapping.path);
}

std::string status_field(pid_t pid, std::string_view name) {
  std::ifstream file(fmt::format("/proc/{}/status", pid));
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(name) || line.size() <= name.size() || line[name.size()] != ':') continue;
    const auto value = line.find_first_not_of(" \t", name.size() + 1);
    return value == line.npos ? "" : line.substr(value);
  }
  return {};
}

// The last of the numbers is that of the innermost namespace.
pid_t pid_in_namespace(pid_t pid) {
  std::istringstream numbers(status_field(pid, "NSpid"));
  pid_t own = pid;
  while (numbers >> own) {
  }
  return own;
}

void check_target(pid_t pid) {
  struct stat status {};
  if (pid <= 0 || stat(fmt::format("/proc/{}", pid).c_str(), &status) != 0)
    throw AttachError(fmt::format("there is no process {}", pid));
  if (status_field(pid, "Tgid") != std::to_string(pid))
    throw AttachError(fmt::format("{} is a thread of process {}; attach to that", pid, status_field(pid, "Tgid")));
  check_state(pid);
  int error = 0;
  const auto program = ElfFile::open(fmt::format("/proc/{}/exe", pid), error);
  if (!program) {
    if (error == EACCES || error == EPERM) throw AttachError(why_not_permitted(pid));
    throw AttachError(fmt::format("the program of process {} cannot be read", pid));
  }
  if (program->format() == ElfFile::Format::foreign)
    throw AttachError(fmt::format("process {} is {}, and this memray is not", pid, program->foreign_kind()));
}

void check_untraced(pid_t pid) {
  const std::string tracer = status_field(pid, "TracerPid");
  if (tracer.empty() || tracer == "0") return;
  const std::string name = first_line(fmt::format("/proc/{}/comm", tracer));
  throw AttachError(fmt::format("process {} is being traced by {} (process {}), and only one can; end that first", pid,
                                name.empty() ? "a debugger" : name, tracer));
}

std::string why_not_permitted(pid_t pid) {
  struct stat status {};
  const bool known = stat(fmt::format("/proc/{}", pid).c_str(), &status) == 0;
  if (geteuid() != 0 && known && status.st_uid != geteuid()) {
    return fmt::format("process {} belongs to user {}; run memray as that user, or as root", pid, status.st_uid);
  }
  const std::string scope = first_line("/proc/sys/kernel/yama/ptrace_scope");
  if (scope == "3") return "this system permits no process to trace another (kernel.yama.ptrace_scope=3, until reboot)";
  if (scope == "2" || (scope == "1" && geteuid() != 0)) {
    return fmt::format(
        "tracing process {} is not permitted (kernel.yama.ptrace_scope={}); run memray as root, or allow it with "
        "sysctl kernel.yama.ptrace_scope=0",
        pid, scope);
  }
  return fmt::format(
      "tracing process {} is not permitted: CAP_SYS_PTRACE is missing (docker run --cap-add SYS_PTRACE; in Kubernetes "
      "securityContext.capabilities.add: [SYS_PTRACE])",
      pid);
}

}  // namespace memray::attach
