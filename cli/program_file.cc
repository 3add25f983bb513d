#include "program_file.h"

#include "cli.h"
#include "plugin/elf_file.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

namespace memray::cli {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kShebangBytes = 256;  // what the kernel looks at
constexpr int kShebangDepth = 5;
constexpr auto kDefaultPath = "/usr/local/bin:/usr/bin:/bin";

bool is_executable_file(const fs::path& file) {
  struct stat status {};
  return stat(file.c_str(), &status) == 0 && S_ISREG(status.st_mode) && access(file.c_str(), X_OK) == 0;
}

std::vector<std::string> words(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> result;
  for (std::string word; stream >> word;) result.push_back(word);
  return result;
}

[[noreturn]] void refuse(const fs::path& file, std::string_view why) {
  throw Failure(fmt::format("cannot record {}: {}", file.string(), why));
}

void check_privileges(const fs::path& file, const struct stat& status) {
  if (status.st_mode & S_ISUID) refuse(file, "it is set-user-ID, and the kernel loads nothing foreign into it");
  if (status.st_mode & S_ISGID) refuse(file, "it is set-group-ID, and the kernel loads nothing foreign into it");
  if (getxattr(file.c_str(), "security.capability", nullptr, 0) > 0)
    refuse(file, "it has file capabilities, and the kernel loads nothing foreign into it");
}

void check_linkage(const fs::path& file, const ElfFile& elf) {
  if (elf.format() == ElfFile::Format::foreign)
    refuse(file, fmt::format("it is a program for another architecture ({})", elf.foreign_kind()));
  const std::string loader = elf.interpreter();
  if (loader.empty())
    refuse(file, "it is statically linked, so the recorder cannot be loaded into it; link it dynamically");
  if (fs::path(loader).filename().string().starts_with("ld-musl"))
    refuse(file, "it uses the C library musl; memray knows glibc");
  if (!fs::exists(loader)) refuse(file, fmt::format("its dynamic loader {} does not exist", loader));
}

}  // namespace

std::optional<Shebang> read_shebang(const fs::path& file) {
  std::array<char, kShebangBytes> bytes{};
  std::ifstream stream(file, std::ios::binary);
  stream.read(bytes.data(), bytes.size());
  std::string line(bytes.data(), static_cast<std::size_t>(stream.gcount()));
  if (!line.starts_with("#!")) return std::nullopt;
  line = line.substr(2, line.find('\n') - 2);
  constexpr auto kBlank = " \t\r";
  line.erase(0, std::min(line.find_first_not_of(kBlank), line.size()));
  line.erase(line.find_last_not_of(kBlank) + 1);
  Shebang shebang;
  shebang.interpreter = line.substr(0, line.find_first_of(" \t"));
  if (const auto rest = line.find_first_not_of(" \t", shebang.interpreter.size()); rest != line.npos)
    shebang.argument = line.substr(rest);
  return shebang;
}

std::vector<std::string> command_of(const Shebang& shebang) {
  const bool env = fs::path(shebang.interpreter).filename() == "env";
  std::string rest = shebang.argument;
  if (!env) {
    std::vector<std::string> command{shebang.interpreter};
    if (!rest.empty()) command.push_back(rest);
    return command;
  }
  if (!rest.starts_with("-S")) return {rest};  // the kernel passes it on as one word
  auto command = words(rest.substr(2));
  const bool plain = !command.empty() && command[0][0] != '-' && command[0].find('=') == std::string::npos;
  return plain ? command : std::vector<std::string>{shebang.interpreter};
}

bool is_python(const std::string& command) {
  const std::string name = fs::path(command).filename();
  constexpr std::string_view kStart = "python";
  return name.starts_with(kStart) &&
         name.find_first_not_of("0123456789.", std::min(kStart.size(), name.size())) == name.npos;
}

std::optional<fs::path> find_command(const std::string& name) {
  if (name.find('/') != name.npos) return fs::exists(name) ? std::optional<fs::path>(name) : std::nullopt;
  const char* variable = std::getenv("PATH");
  std::istringstream path(variable ? variable : kDefaultPath);
  for (std::string folder; std::getline(path, folder, ':');) {
    const fs::path file = fs::path(folder.empty() ? "." : folder) / name;
    if (is_executable_file(file)) return file;
  }
  return std::nullopt;
}

fs::path check_recordable(const fs::path& program) {
  fs::path file = program;
  fs::path named_by;
  for (int depth = 0; depth <= kShebangDepth; ++depth) {
    struct stat status {};
    if (stat(file.c_str(), &status) != 0) {
      const char* reason = std::strerror(errno);
      if (named_by.empty()) refuse(file, reason);
      refuse(named_by, fmt::format("its interpreter {}: {}", file.string(), reason));
    }
    if (S_ISDIR(status.st_mode)) refuse(file, std::strerror(EISDIR));
    if (!is_executable_file(file)) refuse(file, fmt::format("{} (is it executable?)", std::strerror(EACCES)));

    if (const auto shebang = read_shebang(file)) {
      if (shebang->interpreter.empty()) refuse(file, "its first line names no interpreter");
      named_by = file;
      const auto command = command_of(*shebang);
      const auto interpreter = find_command(command.front());
      file = fs::exists(shebang->interpreter) && interpreter ? *interpreter
             : fs::exists(shebang->interpreter)              ? fs::path(command.front())
                                                             : fs::path(shebang->interpreter);
      continue;
    }
    int error = 0;
    const auto elf = ElfFile::open(file, error);
    // A program may be run that may not be read. It is the kernel's then to say what it is.
    if (!elf) return check_privileges(file, status), file;
    if (elf->format() == ElfFile::Format::not_elf) refuse(file, "it is neither a program nor a script with a #! line");
    check_privileges(file, status);
    check_linkage(file, *elf);
    return file;
  }
  refuse(program, "its interpreters lead from one to another without end");
}

}  // namespace memray::cli
