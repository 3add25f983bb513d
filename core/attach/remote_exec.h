// Asking a running CPython to run a script: PEP 768, of which `sys.remote_exec` is another client.
#pragma once

#include <sys/types.h>
#include <cstdint>
#include <string>

namespace memray::attach {

class RemoteExec {
 public:
  // Throws AttachError if the process is not a CPython that can be asked.
  explicit RemoteExec(pid_t pid);

  // The main thread runs the file when it comes to the next place where it looks for signals. To be repeated, with the
  // same file, until there is a sign of that. Throws AttachError.
  void request(const std::string& script);

  // Unless it has begun.
  void withdraw();

 private:
  std::uint64_t number(std::uint32_t index) const;  // of the interpreter's table of offsets
  void find_main_thread();

  pid_t pid_;
  std::uint64_t runtime_ = 0;
  std::uint32_t support_ = 0;  // where the section for debuggers begins in the table
  std::uint64_t interpreter_ = 0;
  std::uint64_t thread_ = 0;
};

// Whether this process may ask that one.
bool runs_scripts(pid_t pid);

}  // namespace memray::attach
