// A thread of another process at a safe place, and the functions that it can be made to call.
#pragma once

#include "attach/target.h"
#include "attach/tracee.h"

#include <filesystem>
#include <optional>
#include <string>

namespace memray::attach {

class Injection {
 public:
  // Finds a thread that can be used, trying again until there is one. Throws AttachError.
  explicit Injection(pid_t pid);
  // The process is as it was, but for what it has been made to load.
  ~Injection();
  Injection(const Injection&) = delete;
  Injection& operator=(const Injection&) = delete;

  // A new memfd in the process, and in this one.
  struct File {
    int there = -1;
    int here = -1;
  };
  File make_memory_file(const std::string& name);
  File copy_file(const std::string& name, const std::filesystem::path& file);
  void close(File& file);

  // dlopen of a file of the process's. Throws AttachError with what its dynamic loader says.
  void load(const std::string& path);

  // Calls a function `int f(int, char* text)` with room for 512 bytes of text. Throws AttachError with the text if it
  // does not return 0.
  void call(std::uint64_t function, int number);

 private:
  std::uint64_t map(std::size_t bytes, int protection);
  std::uint64_t system_call(std::initializer_list<std::uint64_t> arguments);
  std::uint64_t put(const std::string& text);

  pid_t pid_;
  int pidfd_ = -1;
  std::uint64_t libc_ = 0;
  std::filesystem::path libc_file_;
  std::optional<Tracee> thread_;
  std::uint64_t memory_ = 0;
  std::uint64_t code_ = 0;
  std::uint64_t errno_address_ = 0;
  int errno_value_ = 0;
};

// Address, in the process, of a function that the recorder exports, if it is loaded there. Throws AttachError if that
// is another recorder than `file`.
std::optional<std::uint64_t> find_in_recorder(pid_t pid, const std::filesystem::path& file, const char* function);

}  // namespace memray::attach
