// memray run --live: the program runs in the background, and the terminal shows its memory.
#pragma once

#include <functional>

namespace memray::cli {

// Calls `record(fd)` in a process of its own, whose exit code is what it returns; the recording comes through the
// descriptor. Ends it when the user quits. Returns the exit code of memray.
int run_live(const std::function<int(int fd)>& record);

}  // namespace memray::cli
