// Collecting from a program that somebody else has started: one that records itself, or one that was attached to.
#pragma once

#include "collector/record.h"

#include <sys/types.h>
#include <chrono>
#include <functional>

namespace memray {

struct CollectRequest {
  RecordRequest record;         // of it: plugins, sink, intervals
  int session = -1;             // shared memory that the program will map, empty
  int reply = -1;               // told when the collector is ready: an empty line, or one that says why it cannot be
  std::function<void()> ready;  // called just before that, if it works
  pid_t pid = 0;
  pid_t pid_there = 0;        // its number in its own namespace, if it was attached to; else 0
  bool follows_exec = false;  // a program that replaces this one is recorded too

  // Readable when whoever brings the program to join is no more; -1: nobody does.
  int bringer = -1;

  // After so long the program is made to leave. Zero: never.
  std::chrono::nanoseconds duration{0};
  std::function<void()> leave;  // may fail, with an exception; it is tried again then
};

// Returns when the recording is over and the capture complete. Signals from the terminal are ignored: the program
// decides. False if the collector never got ready, which has been told then.
bool collect(const CollectRequest& request);

}  // namespace memray
