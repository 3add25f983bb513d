// Recording a program from start to end: what `memray run` does once it knows what to run.
#pragma once

#include <memray/capture.h>
#include <memray/sink.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace memray {

struct TargetPlugin {
  std::string name;
  std::filesystem::path file;
  bool preload = false;  // hooks that need symbol interposition
  std::string load;      // how the recorder finds it in a program that was attached to; "": by the file's path
};

struct RecordRequest {
  std::filesystem::path executable;  // absolute
  std::vector<std::string> argv;     // argv[0] is what the program is told it is called
  // Start when the program's own code starts (the Python script), not at the first instruction.
  bool start_with_program = false;

  std::filesystem::path recorder;  // libmemray-recorder.so
  std::vector<TargetPlugin> hooks;
  std::vector<TargetPlugin> unwinders;
  int memory_interval_ms = 10;  // of RSS samples
  // When the program is faster than the collector: drop events, and count them, instead of letting the program wait.
  bool drop_on_overrun = false;
  bool track_objects = false;  // lifetimes of Python objects
  bool follow_fork = false;    // record child processes too, into the same capture

  Sink* sink = nullptr;
  SinkConfig sink_config;        // in `output`, "%p" stands for the program's pid
  bool wait_for_reader = false;  // the program starts when the sink is `ready`
  bool quiet = false;

  // Called now and then, with a fraction in [0, 1], while symbols are looked up after the program has ended.
  std::function<void(double)> on_symbols;
  // Called with the sink open, just before the program starts.
  std::function<void(const std::string& destination)> on_start;
};

struct RecordResult {
  Ending ending;
  // Not ok: the program was never started (`started` false), or the recording ended early (true). If it is ok and
  // nothing was started, a signal has ended the waiting for a reader: `ending` says which.
  Status status;
  bool started = false;
  Totals totals;
};

// Blocks until the program has ended. Signals sent to this process alone are passed on to the program; those that the
// terminal sends to both reach it once.
RecordResult record(const RecordRequest& request);

// A line on standard error; if that is closed or full, so be it.
void tell(const std::string& line);

}  // namespace memray
