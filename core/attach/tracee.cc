// A call is made by setting the registers as if a call instruction had been executed: arguments, stack, a return
// address. It returns into code that puts everything back (way_back.cc), so that it does not matter to the thread
// whether we are still there then. If we are, we see the system call in that code, prevent it, and do the same
// ourselves.
//
// Everything that the call may change and the thread may rely on is put back afterwards:
//
//   - all registers, the vector registers as well;
//   - the red zone: calls are made 128 bytes below what the thread uses of its stack;
//   - the signal mask: signals are blocked during the call, so that no handler runs in a place that it does not expect;
//   - an interrupted system call. The kernel has written "to be restarted" into the result register of a thread that
//     was stopped in one. While ours runs, the thread must not look like that (orig_rax is -1); once the registers are
//     put back it does again, and the kernel restarts the call when the thread goes on.
#include "attach/tracee.h"

#include "attach/memory.h"
#include "attach/target.h"
#include "attach/way_back.h"

#include <elf.h>
#include <fmt/format.h>
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

namespace memray::attach {

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kPatienceForStop = 100ms;
constexpr auto kPatienceForCall = 10s;
constexpr auto kPatienceForPlace = 200ms;
constexpr std::size_t kRedZone = 128;
constexpr std::size_t kMostFrameBytes = 4096;
constexpr std::uint64_t kNoSystemCall = ~std::uint64_t{0};
constexpr int kSystemCallStop = SIGTRAP | 0x80;
constexpr int kEagerLooks = 50;  // a stop comes within microseconds, mostly
constexpr std::size_t kMostVectorBytes = 64 << 10;

bool trace(int request, pid_t tid, std::uint64_t address, void* data) {
  return ptrace(static_cast<__ptrace_request>(request), tid, reinterpret_cast<void*>(address), data) == 0;
}

std::uint64_t signal_bit(int number) { return std::uint64_t{1} << (number - 1); }

}  // namespace

std::optional<Tracee> Tracee::stop(pid_t pid, pid_t tid) {
  if (!trace(PTRACE_SEIZE, tid, 0, reinterpret_cast<void*>(PTRACE_O_TRACESYSGOOD))) {
    if (errno == ESRCH) return std::nullopt;
    throw AttachError(why_not_permitted(pid));
  }
  Tracee tracee(pid, tid);
  tracee.held_ = true;
  if (!tracee.interrupt()) return std::nullopt;
  tracee.save();
  return tracee;
}

Tracee::Tracee(Tracee&& other) noexcept
    : pid_(other.pid_),
      tid_(other.tid_),
      held_(std::exchange(other.held_, false)),
      changed_(other.changed_),
      undelivered_(other.undelivered_),
      registers_(other.registers_),
      vectors_(std::move(other.vectors_)),
      signal_mask_(other.signal_mask_),
      places_(other.places_),
      stack_(other.stack_) {}

Tracee::~Tracee() {
  if (!held_) return;
  if (changed_) restore();
  if (trace(PTRACE_DETACH, tid_, 0, reinterpret_cast<void*>(static_cast<long>(undelivered_)))) return;
  // It has not stopped when it was asked to. It must, before it can be let go.
  int status = 0;
  if (wait_for_stop(kPatienceForCall, status)) {
    const bool by_signal = WIFSTOPPED(status) && status >> 16 == 0;
    trace(PTRACE_DETACH, tid_, 0, reinterpret_cast<void*>(by_signal ? static_cast<long>(WSTOPSIG(status)) : 0l));
  }
}

// False after `timeout`, and when the thread is gone.
bool Tracee::wait_for_stop(std::chrono::milliseconds timeout, int& status) {
  const auto end = Clock::now() + timeout;
  auto pause = 20us;
  for (int look = 0;; ++look) {
    const pid_t found = waitpid(tid_, &status, __WALL | WNOHANG);
    if (found == tid_ && WIFSTOPPED(status)) return true;
    if (found == tid_ || (found < 0 && errno != EINTR)) {
      held_ = false;
      return false;
    }
    if (look < kEagerLooks) {
      sched_yield();
      continue;
    }
    if (Clock::now() >= end) return false;
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, std::chrono::microseconds(2000));
  }
}

bool Tracee::interrupt() {
  if (!trace(PTRACE_INTERRUPT, tid_, 0, nullptr)) return false;
  int status = 0;
  if (!wait_for_stop(kPatienceForStop, status)) return false;
  if (status >> 16 == PTRACE_EVENT_STOP) return WSTOPSIG(status) == SIGTRAP;  // else a group stop
  // A signal was faster. It is delivered when the thread goes on; this is as good a stop as any.
  undelivered_ = WSTOPSIG(status);
  return true;
}

// In a debug register, so that no other thread sees it. Address 0: none.
bool Tracee::set_breakpoint(std::uint64_t address) {
  constexpr auto kRegisters = offsetof(struct user, u_debugreg);
  const auto set = [&](std::size_t number, std::uint64_t value) {
    return trace(PTRACE_POKEUSER, tid_, kRegisters + number * sizeof(long), reinterpret_cast<void*>(value));
  };
  return address == 0 ? set(7, 0) : set(0, address) && set(7, 1);
}

bool Tracee::run_to(std::uint64_t address) {
  const auto end = Clock::now() + kPatienceForPlace;
  if (!set_breakpoint(address)) return true;
  int status = 0;
  bool stopped = false;
  int signal = std::exchange(undelivered_, 0);
  while (!stopped) {
    if (!trace(PTRACE_CONT, tid_, 0, reinterpret_cast<void*>(static_cast<long>(signal)))) return false;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
    if (!wait_for_stop(std::max(left, 1ms), status)) {
      if (!held_ || !interrupt()) return false;
      break;
    }
    signal = status >> 16 == 0 ? WSTOPSIG(status) : 0;
    stopped = signal == SIGTRAP;
  }
  set_breakpoint(0);
  save();
  return true;
}

void Tracee::write_code(std::uint64_t address, std::span<const unsigned char> code) {
  for (std::size_t i = 0; i < code.size(); i += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, code.data() + i, std::min(sizeof word, code.size() - i));
    if (!trace(PTRACE_POKEDATA, tid_, address + i, reinterpret_cast<void*>(word)))
      throw AttachError(fmt::format("the memory of process {} cannot be written", pid_));
  }
}

void Tracee::save() {
  iovec registers{&registers_, sizeof registers_};
  vectors_.resize(kMostVectorBytes);
  iovec vectors{vectors_.data(), vectors_.size()};
  if (!trace(PTRACE_GETREGSET, tid_, NT_PRSTATUS, &registers) ||
      !trace(PTRACE_GETREGSET, tid_, NT_X86_XSTATE, &vectors) ||
      !trace(PTRACE_GETSIGMASK, tid_, sizeof signal_mask_, &signal_mask_)) {
    throw AttachError(fmt::format("the registers of thread {} cannot be read", tid_));
  }
  vectors_.resize(vectors.iov_len);
}

// From the end of a system call the kernel goes on to the program without another look at whether one is to be
// restarted; after a stop that was asked for it does look.
void Tracee::restore() {
  int status = 0;
  if (trace(PTRACE_INTERRUPT, tid_, 0, nullptr) && trace(PTRACE_CONT, tid_, 0, nullptr))
    wait_for_stop(kPatienceForCall, status);
  iovec vectors{vectors_.data(), vectors_.size()};
  trace(PTRACE_SETREGSET, tid_, NT_X86_XSTATE, &vectors);
  trace(PTRACE_SETSIGMASK, tid_, sizeof signal_mask_, &signal_mask_);
  set_registers(registers_);
}

// In this order: a thread that is left alone in between gets its signal mask back, or has kept it.
void Tracee::run_from(user_regs_struct registers) {
  std::uint64_t mask = ~std::uint64_t{0};
  for (const int number : {SIGTRAP, SIGSEGV, SIGBUS, SIGILL, SIGFPE}) mask &= ~signal_bit(number);
  registers.orig_rax = kNoSystemCall;
  registers.eflags &= ~std::uint64_t{0x400};  // direction flag
  changed_ = true;
  if (!set_registers(registers) || !trace(PTRACE_SETSIGMASK, tid_, sizeof mask, &mask)) throw_ended();
}

std::uint64_t Tracee::call(std::uint64_t function, std::initializer_list<std::uint64_t> arguments) {
  std::uint64_t values[6] = {};
  std::copy(arguments.begin(), arguments.end(), values);
  user_regs_struct registers = registers_;
  registers.rdi = values[0];
  registers.rsi = values[1];
  registers.rdx = values[2];
  registers.rcx = values[3];
  registers.r8 = values[4];
  registers.r9 = values[5];
  registers.rax = 0;
  registers.rip = function;
  registers.rsp = put_way_back(places_.keeper);
  run_from(registers);
  const std::uint64_t end = places_.keeper + kKeeperBytes + kSignalReturn.size();
  do registers = run_to_system_call();
  while (registers.rip != end);
  prevent_system_call(registers);
  std::uint64_t result = 0;
  read_memory(pid_, places_.result, &result, sizeof result);
  return result;
}

std::uint64_t Tracee::system_call(std::initializer_list<std::uint64_t> number_and_arguments) {
  std::uint64_t values[7] = {};
  std::copy(number_and_arguments.begin(), number_and_arguments.end(), values);
  user_regs_struct registers = registers_;
  registers.rax = values[0];
  registers.rdi = values[1];
  registers.rsi = values[2];
  registers.rdx = values[3];
  registers.r10 = values[4];
  registers.r8 = values[5];
  registers.r9 = values[6];
  registers.rip = places_.system_call;
  registers.rsp = put_way_back(places_.signal_return);
  run_from(registers);
  run_to_system_call();
  return run_to_system_call().rax;  // the end of the same
}

// A return address, and above it what is there to be found by what it leads to. Returns where it is.
std::uint64_t Tracee::put_way_back(std::uint64_t return_address) {
  const std::uint64_t end = stack_ != 0 ? stack_ : registers_.rsp - kRedZone;
  const std::uint64_t at = (end - kMostFrameBytes) & ~std::uint64_t{63};
  const auto frame = signal_frame(at, registers_, vectors_, signal_mask_);
  std::vector<unsigned char> bytes(sizeof return_address + frame.size());
  std::memcpy(bytes.data(), &return_address, sizeof return_address);
  std::copy(frame.begin(), frame.end(), bytes.begin() + sizeof return_address);
  write_memory(pid_, at - sizeof return_address, bytes.data(), bytes.size());
  return at - sizeof return_address;
}

bool Tracee::set_registers(user_regs_struct registers) {
  iovec set{&registers, sizeof registers};
  return trace(PTRACE_SETREGSET, tid_, NT_PRSTATUS, &set);
}

// The registers at the beginning or the end of the next system call.
user_regs_struct Tracee::run_to_system_call() {
  for (;;) {
    int status = 0;
    if (!trace(PTRACE_SYSCALL, tid_, 0, nullptr)) throw_ended();
    if (!wait_for_stop(kPatienceForCall, status)) give_up_call();
    if (status >> 16 == PTRACE_EVENT_STOP) continue;  // somebody stops the whole process; not now
    if (WSTOPSIG(status) == SIGSTOP || WSTOPSIG(status) == SIGCONT) continue;
    if (WSTOPSIG(status) != kSystemCallStop) {
      throw AttachError(
          fmt::format("a function that was called in process {} failed; it goes on as if nothing had been done", pid_));
    }
    user_regs_struct registers;
    iovec get{&registers, sizeof registers};
    if (!trace(PTRACE_GETREGSET, tid_, NT_PRSTATUS, &get)) throw_ended();
    return registers;
  }
}

// The thread is at the beginning of one. It is not made, but would be made if the thread went on from here alone.
void Tracee::prevent_system_call(user_regs_struct registers) {
  registers.orig_rax = kNoSystemCall;
  registers.rip -= kSignalReturn.size();
  if (!set_registers(registers)) throw_ended();
  run_to_system_call();
}

// It waits for a lock, then: nothing is half done, and it can be taken back.
void Tracee::give_up_call() {
  if (!held_) throw_ended();
  int status = 0;
  trace(PTRACE_INTERRUPT, tid_, 0, nullptr);
  wait_for_stop(kPatienceForCall, status);
  throw AttachError(fmt::format("process {} holds a lock of its dynamic loader or its allocator for too long", pid_));
}

void Tracee::throw_ended() const { throw AttachError(fmt::format("process {} has ended", pid_)); }

}  // namespace memray::attach
