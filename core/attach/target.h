// What /proc says of a process that is to be attached to, and why it cannot be.
#pragma once

#include <sys/types.h>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace memray::attach {

// One line, for the user.
class AttachError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A line of /proc/PID/maps.
struct Mapping {
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  std::uint64_t offset = 0;
  std::uint64_t inode = 0;
  bool executable = false;
  std::string path;  // as the process sees it; "/memfd:NAME" for one of no file system

  // The last part of the path, without the kernel's " (deleted)": "libc.so.6", "memfd:memray".
  std::string_view name() const;
};

std::vector<Mapping> mappings_of(pid_t pid);

// The first mapping of the object that `is_it` says yes to by name, or nothing.
template <typename Is>
std::optional<Mapping> find_mapping(const std::vector<Mapping>& mappings, Is is_it) {
  for (const Mapping& mapping : mappings) {
    if (mapping.offset == 0 && is_it(mapping.name())) return mapping;
  }
  return std::nullopt;
}

// All processes that have mapped an object with this name and inode.
std::vector<pid_t> processes_that_map(std::string_view name, std::uint64_t inode);

// The mapping's file where this process can open it, also if it is in another mount namespace or deleted.
std::filesystem::path file_of(pid_t pid, const Mapping& mapping);

// A field of /proc/PID/status, "" if there is none.
std::string status_field(pid_t pid, std::string_view name);

// The number that the process has in its own namespace.
pid_t pid_in_namespace(pid_t pid);

// Throws AttachError if the process does not exist, is stopped, ended, of another architecture or static.
void check_target(pid_t pid);
// Throws AttachError if a debugger has it.
void check_untraced(pid_t pid);

// What is to be done about ptrace having been refused.
std::string why_not_permitted(pid_t pid);

}  // namespace memray::attach
