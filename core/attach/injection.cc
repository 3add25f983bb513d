#include "attach/injection.h"

#include "attach/memory.h"
#include "plugin/elf_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

namespace memray::attach {

Injection::File Injection::copy_file(const std::string& name, const std::filesystem::path& file) {
  const int from = open(file.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat status {};
  if (from < 0 || fstat(from, &status) != 0) throw AttachError(fmt::format("{} cannot be read", file.string()));
  File copy = make_memory_file(name);
  for (off_t left = status.st_size; left > 0;) {
    const ssize_t n = sendfile(copy.here, from, nullptr, static_cast<std::size_t>(left));
    if (n <= 0) break;
    left -= n;
  }
  ::close(from);
  return copy;
}

std::uint64_t address_of(const std::filesystem::path& file, std::uint64_t base, const char* symbol) {
  int error = 0;
  const auto elf = ElfFile::open(file, error);
  const auto found = elf ? elf->find_symbol(symbol) : std::nullopt;
  if (!found) throw AttachError(fmt::format("{} has no {}", file.filename().native(), symbol));
  return base + *found;
}

std::optional<std::uint64_t> find_in_recorder(pid_t pid, const std::filesystem::path& file, const char* function) {
  const auto mappings = mappings_of(pid);
  const auto recorder = find_mapping(mappings, [&](std::string_view name) {
    return name == file.filename().native() || name == "memfd:" + file.filename().native();
  });
  if (!recorder) return std::nullopt;
  // The headers of an object, with its build-id among them, are at the start of both.
  constexpr std::size_t kCompared = 1024;
  char there[kCompared], here[kCompared] = {};
  read_memory(pid, recorder->start, there, kCompared);
  const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC);
  const bool same = fd >= 0 && read(fd, here, kCompared) == kCompared && std::memcmp(here, there, kCompared) == 0;
  if (fd >= 0) close(fd);
  if (!same) throw AttachError(fmt::format("process {} has loaded the recorder of another version of memray", pid));
  return address_of(file, recorder->start, function);
}

}  // namespace memray::attach
