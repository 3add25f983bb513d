// The options that say what is recorded and where it goes: the same for programs that are started, attached to, or that
// record themselves.
#pragma once

#include "arguments.h"
#include "run_options.h"

#include "collector/record.h"

namespace memray::cli {

class RecordingOptions {
 public:
  struct Wording {
    std::string output;  // help for -o
    std::string hooks;   // the default
  };

  // Adds the options to `command`; what they say is in `options` after `finish`.
  RecordingOptions(Command& command, RunOptions& options, const Wording& wording);
  RecordingOptions(const RecordingOptions&) = delete;
  RecordingOptions& operator=(const RecordingOptions&) = delete;

  // After the command has been read. Throws UsageError.
  void finish();

 private:
  const Command& command_;
  RunOptions& run_;
  std::string hooks_, unwinders_, sink_ = "file", on_overrun_ = "wait";
  const CLI::Option* hooks_option_;
  const CLI::Option* unwinders_option_;
  const CLI::Option* sink_option_;
};

// "a,b,c". Throws UsageError, as if it were the value of `option`.
std::vector<std::string> split_names(const std::string& option, const std::string& text, const std::string& usage);

// All of a request that follows from these options alone.
void fill_request(RecordRequest& request, const RunOptions& options);

}  // namespace memray::cli
