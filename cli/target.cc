#include "target.h"

#include "plugin/elf_file.h"
#include "program_file.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace memray::cli {
namespace fs = std::filesystem;
namespace {

std::string output_name(const std::string& base) { return fmt::format("memray-{}.%p.bin", base); }

void append(std::vector<std::string>& list, const std::vector<std::string>& more) {
  list.insert(list.end(), more.begin(), more.end());
}

// `interpreter` with its options, then `words`: a script, or -m and a module, or -c and code.
Target python_target(std::vector<std::string> interpreter, const std::vector<std::string>& words,
                     const RunOptions& options) {
  const auto found = find_command(interpreter.front());
  if (!found) {
    throw Failure(fmt::format("there is no Python interpreter {}{}; name one with --python", interpreter.front(),
                              interpreter.front().find('/') == std::string::npos ? " on PATH" : ""));
  }
  Target target;
  target.python = true;
  target.executable = fs::absolute(*found);
  target.argv = std::move(interpreter);
  append(target.argv, words);
  append(target.argv, options.arguments);
  target.image = check_recordable(target.executable);
  return target;
}

Target native_target(const fs::path& program, const RunOptions& options) {
  if (!options.python.empty()) {
    throw UsageError(fmt::format("--python is for Python programs, and {} is none", options.program), options.usage);
  }
  if (options.startup) {
    throw UsageError(
        fmt::format("--startup is for Python programs; {} is recorded from its first instruction", options.program),
        options.usage);
  }
  Target target;
  target.image = check_recordable(program);
  // A script is told the path that it is executed by.
  target.executable = options.program.find('/') == std::string::npos ? fs::absolute(program) : program;
  target.argv = {options.program};
  append(target.argv, options.arguments);
  target.default_output = output_name(program.filename());
  return target;
}

// What runs a script that does not say otherwise.
std::vector<std::string> default_interpreter(const RunOptions& options) {
  if (!options.python.empty()) return {options.python};
  if (!options.started_from.empty()) return options.started_from;
  return {"python3"};
}

std::string no_such_file(const std::string& name, int error) {
  std::string text = fmt::format("could not open {}: {}", name, std::strerror(error));
  if (error == ENOENT && name.find('/') == name.npos)
    if (const auto command = find_command(name))
      text += fmt::format("; to record the program {}: memray run -- {}", command->string(), name);
  return text;
}

fs::path beside(const fs::path& script) {
  const fs::path file = script.has_filename() ? script : script.parent_path();
  return file.parent_path() / output_name(file.filename());
}

Target file_target(const RunOptions& options) {
  const std::string& name = options.program;
  if (fs::is_directory(name)) {
    if (!fs::exists(fs::path(name) / "__main__.py")) throw Failure(no_such_file(name, EISDIR));
  } else {
    int error = 0;
    const auto elf = ElfFile::open(name, error);
    // A program may be executable without being readable, a script may not.
    if (!elf && !(error == EACCES && access(name.c_str(), X_OK) == 0)) throw Failure(no_such_file(name, error));
    if (!elf || elf->format() != ElfFile::Format::not_elf) return native_target(name, options);
  }

  std::vector<std::string> interpreter = default_interpreter(options);
  if (const auto shebang = read_shebang(name); shebang && !name.ends_with(".py")) {
    const auto command = command_of(*shebang);
    const bool python = is_python(command.front());
    if (!python && options.python.empty()) return native_target(name, options);
    if (python && options.started_from.empty()) interpreter = command;
  }
  if (!options.python.empty()) interpreter.front() = options.python;
  Target target = python_target(std::move(interpreter), {name}, options);
  target.default_output = beside(name);
  return target;
}

}  // namespace

Target resolve_target(const RunOptions& options) {
  switch (options.what) {
    case RunOptions::What::file:
      return file_target(options);
    case RunOptions::What::program: {
      const auto program = find_command(options.program);
      if (!program) throw Failure(fmt::format("cannot record {}: no such program", options.program));
      return native_target(*program, options);
    }
    case RunOptions::What::module: {
      Target target = python_target(default_interpreter(options), {"-m", options.program}, options);
      target.default_output = output_name(options.program);
      return target;
    }
    case RunOptions::What::code: {
      Target target = python_target(default_interpreter(options), {"-c", options.program}, options);
      target.default_output = output_name("string");
      return target;
    }
  }
  throw std::logic_error("no such kind of program");
}

}  // namespace memray::cli
