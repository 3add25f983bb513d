#include "attach/memory.h"

#include "attach/target.h"

#include <fmt/format.h>
#include <sys/uio.h>

#include <cerrno>

namespace memray::attach {

namespace {

AttachError refusal(pid_t pid, const char* what) {
  return AttachError(errno == EPERM ? why_not_permitted(pid)
                                    : fmt::format("the memory of process {} cannot be {}", pid, what));
}

}  // namespace

void read_memory(pid_t pid, std::uint64_t address, void* to, std::size_t size) {
  iovec local{to, size};
  iovec remote{reinterpret_cast<void*>(address), size};
  if (process_vm_readv(pid, &local, 1, &remote, 1, 0) != static_cast<ssize_t>(size)) throw refusal(pid, "read");
}

void write_memory(pid_t pid, std::uint64_t address, const void* from, std::size_t size) {
  iovec local{const_cast<void*>(from), size};
  iovec remote{reinterpret_cast<void*>(address), size};
  if (process_vm_writev(pid, &local, 1, &remote, 1, 0) != static_cast<ssize_t>(size)) throw refusal(pid, "written");
}

std::string read_text(pid_t pid, std::uint64_t address) {
  std::string text;
  for (char c = 1; text.size() < 4096; ++address) {
    read_memory(pid, address, &c, 1);
    if (c == '\0') break;
    text += c;
  }
  return text;
}

}  // namespace memray::attach
