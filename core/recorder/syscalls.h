// The system calls of the recorder.
#pragma once

#include <memray/system_call.h>

#include <fcntl.h>
#include <linux/futex.h>
#include <time.h>
#include <cstdint>

namespace memray::recorder::sys {

using namespace memray::sys;

inline void* map_shared(int fd, std::size_t bytes) {
  const long result = call(SYS_mmap, 0, static_cast<long>(bytes), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  return failed(result) ? nullptr : reinterpret_cast<void*>(result);
}

inline int open(const char* path, int flags) {
  return static_cast<int>(call(SYS_openat, AT_FDCWD, reinterpret_cast<long>(path), flags | O_CLOEXEC, 0));
}
inline void close(int fd) { call(SYS_close, fd); }
inline std::uint32_t getpid() { return static_cast<std::uint32_t>(call(SYS_getpid)); }
inline std::uint32_t getppid() { return static_cast<std::uint32_t>(call(SYS_getppid)); }
inline std::uint32_t gettid() { return static_cast<std::uint32_t>(call(SYS_gettid)); }
inline void yield() { call(SYS_sched_yield); }
inline void futex_wake(const void* word) { call(SYS_futex, reinterpret_cast<long>(word), FUTEX_WAKE, 0x7fff'ffff); }

inline void futex_wait(const void* word, std::uint32_t expected, long milliseconds) {
  const timespec timeout{milliseconds / 1000, milliseconds % 1000 * 1'000'000};
  call(SYS_futex, reinterpret_cast<long>(word), FUTEX_WAIT, expected, reinterpret_cast<long>(&timeout));
}

// Not nanosleep: a thread that was stopped in that, and made to come here, could not go on with it afterwards.
inline void sleep(long milliseconds) {
  const std::uint32_t word = 0;
  futex_wait(&word, 0, milliseconds);
}

}  // namespace memray::recorder::sys
