// Collecting from a program that somebody else has started: one that records itself, or one that was attached to.
#pragma once

#include "collector/record.h"

#include <sys/types.h>

namespace memray {

struct CollectRequest {
  RecordRequest record;  // of it: plugins, sink, intervals
  int session = -1;      // shared memory that the program will map, empty
  int reply = -1;        // told when the collector is ready: an empty line, or one that says why it cannot be
  pid_t pid = 0;
  bool follows_exec = false;  // a program that replaces this one is recorded too
};

// Returns when the recording is over and the capture complete. Signals from the terminal are ignored: the program
// decides. False if the collector never got ready, which has been told then.
bool collect(const CollectRequest& request);

}  // namespace memray
