#include "symbols/module_files.h"

#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <elf.h>
#include <link.h>

#include <filesystem>
#include <string>
#include <system_error>

namespace memray::symbols {

namespace {

std::size_t descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 256;
  return static_cast<std::size_t>(limit.rlim_cur) / 2;
}

// The kernel's object has no file; this process has the same one as the program.
int open_vdso() {
  const auto* bytes = reinterpret_cast<const char*>(getauxval(AT_SYSINFO_EHDR));
  if (!bytes) return -1;
  const auto* header = reinterpret_cast<const ElfW(Ehdr)*>(bytes);
  const std::size_t size = header->e_shoff + std::size_t{header->e_shnum} * header->e_shentsize;
  const int fd = memfd_create("vdso", MFD_CLOEXEC);
  if (fd >= 0 && write(fd, bytes, size) != static_cast<ssize_t>(size)) {
    close(fd);
    return -1;
  }
  return fd;
}

int open_path(const std::string& path) {
  if (path.starts_with("linux-vdso")) return open_vdso();
  return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
}

}  // namespace

ModuleFiles::ModuleFiles() : limit_(descriptor_limit()) {}

ModuleFiles::~ModuleFiles() {
  for (const auto& [path, fd] : expected_) close(fd);
  for (const auto& [key, fd] : kept_) close(fd);
}

void ModuleFiles::expect(const std::string& path) {
  std::error_code error;
  const auto real = std::filesystem::canonical(path, error);
  const int fd = error ? -1 : open_path(real);
  if (fd >= 0 && !expected_.try_emplace(real, fd).second) close(fd);
}

void ModuleFiles::keep(const Definitions& definitions, ModuleId id) {
  const Module& module = definitions.module(id);
  if (kept_.size() >= limit_ || kept_.contains({module.path, module.build_id})) return;
  const int fd = open_path(std::string(definitions.string(module.path)));
  if (fd >= 0) kept_[{module.path, module.build_id}] = fd;
}

int ModuleFiles::open(const Definitions& definitions, ModuleId id) const {
  const Module& module = definitions.module(id);
  const auto found = kept_.find({module.path, module.build_id});
  if (found != kept_.end()) return fcntl(found->second, F_DUPFD_CLOEXEC, 0);
  const std::string path(definitions.string(module.path));
  const auto expected = expected_.find(path);
  return expected != expected_.end() ? fcntl(expected->second, F_DUPFD_CLOEXEC, 0) : open_path(path);
}

}  // namespace memray::symbols
