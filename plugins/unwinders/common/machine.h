// What differs between processors. Everything else of the unwinders knows registers by number only.
#pragma once

#include "memory.h"

namespace memray::machine {

#if defined(__x86_64__)

// DWARF's numbers: rax rdx rcx rbx rsi rdi rbp rsp r8 ... r15, then the column of the return address.
inline constexpr std::uint32_t kRegisters = 17;
inline constexpr std::uint32_t kFramePointer = 6;
inline constexpr std::uint32_t kStackPointer = 7;
inline constexpr std::uint32_t kSavedByCallees = 1u << 3 | 1u << 6 | 1u << 7 | 0xfu << 12;
// The address of a frame says where its caller's begins: return address and frame pointer are at the top of a frame.
inline constexpr bool kFrameEndsAtPointer = true;

inline Word code_address(Word return_address) { return return_address; }

// Registers as they are in the function that this is inlined into, at the address `pc` in it.
[[gnu::always_inline]] inline void capture(Word (&registers)[kRegisters], Word& pc) {
  asm volatile(
      "movq %%rbx, 24(%1)\n\t"
      "movq %%rbp, 48(%1)\n\t"
      "movq %%rsp, 56(%1)\n\t"
      "movq %%r12, 96(%1)\n\t"
      "movq %%r13, 104(%1)\n\t"
      "movq %%r14, 112(%1)\n\t"
      "movq %%r15, 120(%1)\n\t"
      "leaq 0(%%rip), %0"
      : "=&r"(pc)
      : "r"(&registers[0])
      : "memory");
}

#elif defined(__aarch64__)

// x0 ... x30, then sp.
inline constexpr std::uint32_t kRegisters = 32;
inline constexpr std::uint32_t kFramePointer = 29;
inline constexpr std::uint32_t kStackPointer = 31;
inline constexpr std::uint32_t kSavedByCallees = 0x3ffu << 19 | 1u << 29 | 1u << 31;
// The pair of frame pointer and return address is at the bottom of a frame, below the locals.
inline constexpr bool kFrameEndsAtPointer = false;

// Return addresses may be signed. Signed words are what is on the stack, and what is compared.
inline Word code_address(Word return_address) {
  register Word x30 asm("x30") = return_address;
  asm("hint #7" : "+r"(x30));  // xpaclri
  return x30;
}

[[gnu::always_inline]] inline void capture(Word (&registers)[kRegisters], Word& pc) {
  Word sp;
  asm volatile(
      "stp x19, x20, [%2, #152]\n\t"
      "stp x21, x22, [%2, #168]\n\t"
      "stp x23, x24, [%2, #184]\n\t"
      "stp x25, x26, [%2, #200]\n\t"
      "stp x27, x28, [%2, #216]\n\t"
      "str x29, [%2, #232]\n\t"
      "mov %1, sp\n\t"
      "adr %0, ."
      : "=&r"(pc), "=&r"(sp)
      : "r"(&registers[0])
      : "memory");
  registers[kStackPointer] = sp;
}

#else
#error "the native unwinders know x86-64 and aarch64"
#endif

}  // namespace memray::machine
