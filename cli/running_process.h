// What is looked up about a process that is running.
#pragma once

#include <sys/types.h>
#include <string>

namespace memray::cli {

// Its arguments, joined by spaces; "" if there is no such process.
std::string command_line_of(pid_t pid);

}  // namespace memray::cli
