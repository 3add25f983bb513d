// Starting a collector from inside the program.
#pragma once

#include <cstddef>

namespace memray::recorder {

struct CollectorProcess {
  int pid = 0;
  int reply = -1;  // read end: what the collector says when it is ready, then the end of the file
};

// Runs `command collect --session-fd=3 --reply-fd=4 --pid=OWN arguments... extra...`, as a process that is not a child
// of this one, with `session` as its descriptor 3. `extra` is NULL or one more argument. Returns NULL or why not.
const char* start_collector(const char* command, const char* const* arguments, const char* extra, int session,
                            CollectorProcess* collector);

}  // namespace memray::recorder
