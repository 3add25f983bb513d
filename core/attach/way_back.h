// How a thread that was made to call a function finds back by itself.
#pragma once

#include <sys/user.h>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace memray::attach {

// What libc has for the return from signal handlers: mov $15, %rax; syscall.
inline constexpr std::string_view kSignalReturn{"\x48\xc7\xc0\x0f\x00\x00\x00\x0f\x05", 9};

// Code that a function may return to, which stores its result at `result` and then goes on as kSignalReturn does.
std::vector<unsigned char> result_keeper(std::uint64_t result);
inline constexpr std::size_t kKeeperBytes = 10;  // of it, before kSignalReturn

// The state of a thread as the kernel would have saved it for a signal handler: to be put at `address`, which must be
// a multiple of 64. A thread with its stack pointer there that runs kSignalReturn is in that state again.
std::vector<unsigned char> signal_frame(std::uint64_t address, const user_regs_struct& registers,
                                        std::span<const unsigned char> vectors, std::uint64_t signal_mask);

}  // namespace memray::attach
