// What the user asked `memray run` for, before anything is looked up.
#pragma once

#include "cli.h"

#include <optional>

namespace memray::cli {

struct RunOptions {
  enum class What {
    file,     // a script, or a program that is named by its path
    module,   // -m
    code,     // -c
    program,  // after "--"
  };
  What what = What::file;
  std::string program;  // path, module name, source text or command name
  Arguments arguments;  // of the program, never looked at

  std::string output;  // "" for the default name
  bool force = false;
  bool quiet = false;
  bool follow_fork = false;
  bool drop_on_overrun = false;
  bool aggregate = false;
  bool track_objects = false;
  bool buffered_file = false;          // asked for, and always so
  std::uint64_t max_capture_size = 0;  // 0: no limit
  bool startup = false;                // record the interpreter's start too
  bool native = false;                 // native stacks besides whatever else is asked for
  bool trace_python_allocators = false;
  std::string python;      // "" for the default
  Arguments started_from;  // the default: an interpreter with its options; empty: python3 on PATH
  int memory_interval_ms = 10;

  std::vector<std::string> hooks;      // empty for the default
  std::vector<std::string> unwinders;  // likewise
  std::vector<std::string> reports;    // to make when the program has ended
  bool live = false;                   // the terminal shows it
  bool live_remote = false;            // the program waits for a client
  std::string sink = "file";
  std::string sink_arguments;

  std::string usage;  // for errors found later
};

// Nothing if help was asked for and has been printed. Throws UsageError.
std::optional<RunOptions> read_run_options(const Arguments& arguments);

}  // namespace memray::cli
