// Recording a process that is already running, and ending such a recording.
#pragma once

#include "attach/target.h"
#include "collector/collect.h"

#include <filesystem>
#include <string>

namespace memray::attach {

// How to get into the process. `automatic` is ptrace, and where that does not work remote_exec, if the process can.
enum class Method { automatic, ptrace, remote_exec, gdb };

// Makes the process load the recorder and start recording. The collector is a process of its own, which goes on when
// this function returns. `request` says what is to be recorded; session, reply and the like are filled in here. Throws
// AttachError, and leaves the process as it was then. Returns where the recording is, "" if nowhere.
std::string attach(CollectRequest request, Method method);

struct Ended {
  std::string destination;  // where the recording is, "" if nowhere
  std::string trouble;      // what went wrong with it, "" if nothing
};

// Ends the recording of a process that was attached to; returns when the capture is complete. Throws AttachError.
Ended detach(pid_t pid, const std::filesystem::path& recorder, Method method);

// Makes the process leave its recording, and after it all others that are in the same one.
void leave(pid_t pid, const std::filesystem::path& recorder, Method method);

}  // namespace memray::attach
