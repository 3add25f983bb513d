// Who makes a thread call functions may be killed while one is running. The thread then goes on alone; what happens
// when the function returns must be right without anybody's help.
//
// So functions return into the code that ends signal handlers, and above their frame lies what that expects: all
// registers and the signal mask as they were. A tracer that is still there sees the system call coming and
// prevents it, since it can do better: an interrupted system call is restarted by the kernel with the time that
// is left of it, if the registers are put back by ptrace. Here it is made anew, so a sleep may take longer than asked.
#include "attach/way_back.h"

#include <asm/sigcontext.h>
#include <linux/types.h>

#include <algorithm>
#include <cstring>

namespace memray::attach {

namespace {

// The kernel's struct ucontext; libc's is another.
struct Context {
  std::uint64_t flags;
  std::uint64_t link;
  std::uint64_t stack[3];  // none: the alternate signal stack stays as it is
  sigcontext registers;
  std::uint64_t signal_mask;
};

constexpr std::uint64_t kHasVectors = 1, kHasStackSegment = 2, kStrict = 4;
constexpr std::size_t kSoftwareBytes = 464;  // where the kernel says what the vectors are
constexpr std::size_t kWithoutTiles = 2696;  // which a thread has to ask for
constexpr std::uint64_t kTiles = std::uint64_t{3} << 17;

// As a kernel does that has no signal to deliver.
void restart_system_call(sigcontext& registers, std::int64_t number) {
  constexpr std::int64_t kRestart = -512, kAlways = -513, kUnlessHandled = -514, kWithTheRest = -516;
  const auto result = static_cast<std::int64_t>(registers.rax);
  if (number < 0) return;
  for (const std::int64_t code : {kRestart, kAlways, kUnlessHandled, kWithTheRest}) {
    if (result != code) continue;
    registers.rax = static_cast<std::uint64_t>(number);
    registers.rip -= 2;
    return;
  }
}

sigcontext context_of(const user_regs_struct& r) {
  sigcontext c{};
  c.r8 = r.r8;
  c.r9 = r.r9;
  c.r10 = r.r10;
  c.r11 = r.r11;
  c.r12 = r.r12;
  c.r13 = r.r13;
  c.r14 = r.r14;
  c.r15 = r.r15;
  c.rdi = r.rdi;
  c.rsi = r.rsi;
  c.rbp = r.rbp;
  c.rbx = r.rbx;
  c.rdx = r.rdx;
  c.rax = r.rax;
  c.rcx = r.rcx;
  c.rsp = r.rsp;
  c.rip = r.rip;
  c.eflags = r.eflags;
  c.cs = static_cast<std::uint16_t>(r.cs);
  c.ss = static_cast<std::uint16_t>(r.ss);
  restart_system_call(c, static_cast<std::int64_t>(r.orig_rax));
  return c;
}

void describe_vectors(unsigned char* vectors, std::size_t size) {
  std::uint64_t features = 0;
  std::memcpy(&features, vectors + kSoftwareBytes, sizeof features);
  _fpx_sw_bytes description{};
  description.magic1 = FP_XSTATE_MAGIC1;
  description.extended_size = static_cast<std::uint32_t>(size + FP_XSTATE_MAGIC2_SIZE);
  description.xfeatures = features & ~kTiles;
  description.xstate_size = static_cast<std::uint32_t>(size);
  std::memcpy(vectors + kSoftwareBytes, &description, sizeof description);
  const std::uint32_t end = FP_XSTATE_MAGIC2;
  std::memcpy(vectors + size, &end, sizeof end);
}

}  // namespace

std::vector<unsigned char> result_keeper(std::uint64_t result) {
  std::vector<unsigned char> code(kKeeperBytes + kSignalReturn.size());
  code[0] = 0x48;  // mov %rax, result
  code[1] = 0xa3;
  std::memcpy(code.data() + 2, &result, sizeof result);
  std::memcpy(code.data() + kKeeperBytes, kSignalReturn.data(), kSignalReturn.size());
  return code;
}

std::vector<unsigned char> signal_frame(std::uint64_t address, const user_regs_struct& registers,
                                        std::span<const unsigned char> vectors, std::uint64_t signal_mask) {
  constexpr std::size_t kVectorsAt = (sizeof(Context) + 63) / 64 * 64;
  const std::size_t size = std::min(vectors.size(), kWithoutTiles);
  std::vector<unsigned char> frame(kVectorsAt + size + FP_XSTATE_MAGIC2_SIZE);
  Context context{kHasVectors | kHasStackSegment | kStrict, 0, {}, context_of(registers), signal_mask};
  context.registers.fpstate = reinterpret_cast<_fpstate*>(address + kVectorsAt);
  std::memcpy(frame.data(), &context, sizeof context);
  std::memcpy(frame.data() + kVectorsAt, vectors.data(), size);
  describe_vectors(frame.data() + kVectorsAt, size);
  return frame;
}

}  // namespace memray::attach
