// System calls made directly. libc's functions of the same names are what hook backends intercept, and they set errno.
// Each returns what the kernel returns: a negative errno on failure.
#pragma once

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <cstddef>
#include <cstdint>

namespace memray::recorder::sys {

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
#endif

inline void* map(std::size_t bytes) {
  const long result = call(SYS_mmap, 0, static_cast<long>(bytes), PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return result < 0 && result > -4096 ? nullptr : reinterpret_cast<void*>(result);
}

inline void* map_shared(int fd, std::size_t bytes) {
  const long result = call(SYS_mmap, 0, static_cast<long>(bytes), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  return result < 0 && result > -4096 ? nullptr : reinterpret_cast<void*>(result);
}

inline void unmap(void* address, std::size_t bytes) {
  call(SYS_munmap, reinterpret_cast<long>(address), static_cast<long>(bytes));
}

inline int open(const char* path, int flags) {
  return static_cast<int>(call(SYS_openat, AT_FDCWD, reinterpret_cast<long>(path), flags | O_CLOEXEC, 0));
}
inline void close(int fd) { call(SYS_close, fd); }
inline std::uint32_t getpid() { return static_cast<std::uint32_t>(call(SYS_getpid)); }
inline std::uint32_t getppid() { return static_cast<std::uint32_t>(call(SYS_getppid)); }
inline std::uint32_t gettid() { return static_cast<std::uint32_t>(call(SYS_gettid)); }
inline void yield() { call(SYS_sched_yield); }
inline bool process_exists(std::uint32_t pid) { return call(SYS_kill, pid, 0) != -3 /* ESRCH */; }

inline void write_stderr(const char* text, std::size_t size) {
  call(SYS_write, 2, reinterpret_cast<long>(text), static_cast<long>(size));
}

inline void futex_wait(const void* word, std::uint32_t expected, long milliseconds) {
  const timespec timeout{milliseconds / 1000, milliseconds % 1000 * 1'000'000};
  call(SYS_futex, reinterpret_cast<long>(word), FUTEX_WAIT, expected, reinterpret_cast<long>(&timeout));
}

}  // namespace memray::recorder::sys
