// Program files: where a command is found, what its first line asks for, and whether it can be recorded.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace memray::cli {

// "#!/usr/bin/env python3" has the interpreter "/usr/bin/env" and the argument "python3".
struct Shebang {
  std::string interpreter;
  std::string argument;
};
std::optional<Shebang> read_shebang(const std::filesystem::path& file);

// The command that a shebang leads to, with its options: through env, if that is asked to do no more than find it.
std::vector<std::string> command_of(const Shebang& shebang);

bool is_python(const std::string& command);  // "python", "/usr/bin/python3.12", ...

// Looks for a command in $PATH as a shell does; a name with a slash is taken as it is. Nothing if there is none.
std::optional<std::filesystem::path> find_command(const std::string& name);

// Follows a program through its shebangs to the ELF file that the kernel will run, and returns that. Throws Failure
// when any of them is missing or not executable, or cannot be recorded: what is static has no place to load the
// recorder, and the kernel withholds it from what runs with other privileges.
std::filesystem::path check_recordable(const std::filesystem::path& program);

}  // namespace memray::cli
