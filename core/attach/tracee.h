// One thread of another process, held by ptrace, and made to call functions.
#pragma once

#include <sys/types.h>
#include <sys/user.h>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace memray::attach {

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

  // Code in the process. With the first two, system calls can be made.
  struct Places {
    std::uint64_t signal_return = 0;  // kSignalReturn
    std::uint64_t system_call = 0;    // syscall; ret
    std::uint64_t keeper = 0;         // result_keeper(result)
    std::uint64_t result = 0;
  };
  void set_places(const Places& places) { places_ = places; }
  // The end of a stack for calls. Without, the thread's own stack is used, below what it has.
  void set_stack(std::uint64_t end) { stack_ = end; }

  // Calls a function with up to six numbers. Throws AttachError if it crashes, or takes too long while it waits for
  // something, and if the process ends.
  std::uint64_t call(std::uint64_t function, std::initializer_list<std::uint64_t> arguments);
  std::uint64_t system_call(std::initializer_list<std::uint64_t> number_and_arguments);

  // Also where the program cannot write.
  void write_code(std::uint64_t address, std::span<const unsigned char> code);

 private:
  Tracee(pid_t pid, pid_t tid) : pid_(pid), tid_(tid) {}
  bool wait_for_stop(std::chrono::milliseconds timeout, int& status);
  bool interrupt();
  bool set_breakpoint(std::uint64_t address);
  void save();
  void restore();
  std::uint64_t put_way_back(std::uint64_t return_address);
  bool set_registers(user_regs_struct registers);
  void run_from(user_regs_struct registers);
  user_regs_struct run_to_system_call();
  void prevent_system_call(user_regs_struct registers);
  [[noreturn]] void give_up_call();
  [[noreturn]] void throw_ended() const;

  pid_t pid_;
  pid_t tid_;
  bool held_ = false;
  bool changed_ = false;
  int undelivered_ = 0;  // a signal that came while the thread was being stopped
  user_regs_struct registers_{};
  std::vector<unsigned char> vectors_;
  std::uint64_t signal_mask_ = 0;
  Places places_;
  std::uint64_t stack_ = 0;
};

}  // namespace memray::attach
