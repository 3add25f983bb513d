// A way into a running process, and what it can be made to do there.
#pragma once

#include "attach/target.h"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace memray::attach {

class Injection {
 public:
  // The process is as it was, but for what it has been made to load.
  virtual ~Injection() = default;

  // A new memfd in the process, and in this one.
  struct File {
    int there = -1;
    int here = -1;
  };
  virtual File make_memory_file(const std::string& name) = 0;
  virtual void close(File& file) = 0;

  // dlopen of the file that the process has as this descriptor. Throws AttachError with what its dynamic loader says.
  virtual void load(int there) = 0;

  // Calls a function `int f(int, char* text)` with room for kAnswerBytes of text. Throws AttachError with the text if
  // it does not return 0.
  virtual void call(std::uint64_t function, int number) = 0;

  // In a child of this process, which is not to keep the way open.
  virtual void forget() {}

  File copy_file(const std::string& name, const std::filesystem::path& file);

 protected:
  static constexpr std::size_t kAnswerBytes = 512;
};

// By a thread of the process that is stopped by ptrace at a place where it can be made to call functions. Looks for one
// for a while. Throws AttachError.
std::unique_ptr<Injection> enter_by_ptrace(pid_t pid);

// By a script that the process, a CPython of 3.14 or later, is asked to run, and runs when it gets to it. Waits for
// that. Throws AttachError.
std::unique_ptr<Injection> enter_by_script(pid_t pid);

// The address, in a process, of a symbol of the object that is mapped at `base`. Throws AttachError.
std::uint64_t address_of(const std::filesystem::path& file, std::uint64_t base, const char* symbol);

// Address, in the process, of a function that the recorder exports, if it is loaded there. Throws AttachError if that
// is another recorder than `file`.
std::optional<std::uint64_t> find_in_recorder(pid_t pid, const std::filesystem::path& file, const char* function);

}  // namespace memray::attach
