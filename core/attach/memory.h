// The memory of another process.
#pragma once

#include <sys/types.h>
#include <cstddef>
#include <cstdint>
#include <string>

namespace memray::attach {

// Throw AttachError.
void read_memory(pid_t pid, std::uint64_t address, void* to, std::size_t size);
void write_memory(pid_t pid, std::uint64_t address, const void* from, std::size_t size);
std::string read_text(pid_t pid, std::uint64_t address);

}  // namespace memray::attach
