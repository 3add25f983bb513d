// One thread of another process, held by ptrace, and made to call functions.
#pragma once

#include <sys/types.h>
#include <sys/user.h>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

namespace memray::attach {

// Throws AttachError.
void read_memory(pid_t pid, std::uint64_t address, void* to, std::size_t size);
void write_memory(pid_t pid, std::uint64_t address, const void* from, std::size_t size);
std::string read_text(pid_t pid, std::uint64_t address);

class Tracee {
 public:
  // Takes hold of a thread and stops it. Nothing if it does not stop, or is gone. Throws AttachError if that is not
  // permitted.
  static std::optional<Tracee> stop(pid_t pid, pid_t tid);

  Tracee(Tracee&& other) noexcept;
  Tracee& operator=(Tracee&&) = delete;
  // The thread goes on where it was.
  ~Tracee();

  // Lets the thread go on until it comes to `address`, or for a while. False: it is gone.
  bool run_to(std::uint64_t address);

  pid_t tid() const { return tid_; }
  const user_regs_struct& registers() const { return registers_; }
  bool in_system_call() const { return static_cast<std::int64_t>(registers_.orig_rax) >= 0; }

  // Where calls return to: the address of an int3 in executable memory.
  void set_trap(std::uint64_t address) { trap_ = address; }
  // The end of a stack for calls. Without, the thread's own stack is used, below what it has.
  void set_stack(std::uint64_t end) { stack_ = end; }

  // Calls a function with up to six numbers. Throws AttachError if it crashes, or takes too long while it waits for
  // something, and if the process ends.
  std::uint64_t call(std::uint64_t function, std::initializer_list<std::uint64_t> arguments);

 private:
  Tracee(pid_t pid, pid_t tid) : pid_(pid), tid_(tid) {}
  bool wait_for_stop(std::chrono::milliseconds timeout, int& status);
  bool interrupt();
  bool set_breakpoint(std::uint64_t address);
  void save();
  void restore();
  void wait_for_return();

  pid_t pid_;
  pid_t tid_;
  bool held_ = false;
  bool changed_ = false;
  int undelivered_ = 0;  // a signal that came while the thread was being stopped
  user_regs_struct registers_{};
  std::vector<unsigned char> vectors_;
  std::uint64_t signal_mask_ = 0;
  std::uint64_t trap_ = 0;
  std::uint64_t stack_ = 0;
};

}  // namespace memray::attach
