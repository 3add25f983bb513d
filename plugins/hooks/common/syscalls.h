// The system calls of the hook backends.
#pragma once

#include <memray/system_call.h>

#include <fcntl.h>
#include <cstdint>

namespace memray::hooks::sys {

using namespace memray::sys;

inline void* remap(void* address, std::size_t old_bytes, std::size_t bytes) {
  const long result = call(SYS_mremap, reinterpret_cast<long>(address), static_cast<long>(old_bytes),
                           static_cast<long>(bytes), MREMAP_MAYMOVE);
  return failed(result) ? nullptr : reinterpret_cast<void*>(result);
}

inline bool protect(std::uintptr_t address, std::size_t bytes, int protection) {
  return call(SYS_mprotect, static_cast<long>(address), static_cast<long>(bytes), protection) == 0;
}

inline int open_readable(const char* path) {
  return static_cast<int>(call(SYS_openat, AT_FDCWD, reinterpret_cast<long>(path), O_RDONLY | O_CLOEXEC, 0));
}
inline long read(int fd, void* to, std::size_t bytes) {
  return call(SYS_read, fd, reinterpret_cast<long>(to), static_cast<long>(bytes));
}
inline void close(int fd) { call(SYS_close, fd); }

}  // namespace memray::hooks::sys
