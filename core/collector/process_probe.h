// What /proc and the kernel say of a process: whether it is there, and how much memory it has.
#pragma once

#include <memray/capture.h>

#include <cstdint>
#include <optional>
#include <utility>

namespace memray::collector {

class ProcessProbe {
 public:
  explicit ProcessProbe(std::uint32_t pid);
  ~ProcessProbe();
  ProcessProbe(ProcessProbe&& other) noexcept
      : pid_(other.pid_), pidfd_(std::exchange(other.pidfd_, -1)), statm_(std::exchange(other.statm_, -1)) {}
  ProcessProbe& operator=(ProcessProbe&&) = delete;

  // A process that has ended is gone, also if its parent has not asked for its status yet.
  bool gone() const;

  // How it ended, as far as somebody learns who is not its parent. Once it is gone.
  Ending ending() const;

  // All in bytes.
  struct Memory {
    std::uint64_t mapped = 0;  // address space
    std::uint64_t resident = 0;
    std::uint64_t anonymous = 0;  // resident, and of no file
  };
  std::optional<Memory> memory();  // costs some microseconds

  // What the kernel has to go through all mappings for.
  std::uint64_t proportional() const;  // resident bytes, shared ones divided by those who share them; 0: not told
  std::uint64_t mappings() const;
  std::uint64_t resident(std::uint64_t address, std::uint64_t bytes) const;  // of these addresses

 private:
  std::uint32_t pid_;
  int pidfd_ = -1;
  int statm_ = -1;
};

}  // namespace memray::collector
