// For code that runs in the program being profiled: system calls made directly. libc's functions of the same names are
// what hook backends intercept, and they set errno. C++, libc headers only.
#pragma once

#include <sys/mman.h>
#include <sys/syscall.h>
#include <cstddef>

namespace memray::sys {

// Returns what the kernel returns: a negative errno on failure.
#if defined(__x86_64__)
inline long call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
  long result;
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
inline long call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
  register long x8 asm("x8") = number;
  register long x0 asm("x0") = a;
  register long x1 asm("x1") = b;
  register long x2 asm("x2") = c;
  register long x3 asm("x3") = d;
  register long x4 asm("x4") = e;
  register long x5 asm("x5") = f;
  asm volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}
#else
#error "memray supports x86-64 and aarch64"
#endif

inline bool failed(long result) { return result < 0 && result > -4096; }

// Private zeroed memory, or nullptr.
inline void* map(std::size_t bytes) {
  const long result = call(SYS_mmap, 0, static_cast<long>(bytes), PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return failed(result) ? nullptr : reinterpret_cast<void*>(result);
}

inline void unmap(void* address, std::size_t bytes) {
  call(SYS_munmap, reinterpret_cast<long>(address), static_cast<long>(bytes));
}

}  // namespace memray::sys
