// memray collect: the collector of a process that this command has not started. Run by the recorder of a program that
// records itself and by `memray attach`, never by hand; its options are how those say what is wanted.
#include "arguments.h"
#include "cli.h"
#include "recording_options.h"
#include "run_plugins.h"
#include "running_process.h"
#include "target.h"

#include "collector/collect.h"
#include "plugin/loader.h"
#include "session/layout.h"

#include <fmt/format.h>
#include <unistd.h>

namespace memray::cli {
namespace {

constexpr auto kUsageLine = "memray collect --session-fd FD --reply-fd FD --pid PID [options]";

constexpr auto kDescription =
    "Collects what a running process records. Programs that record themselves (Python's Tracker) and memray attach\n"
    "start this command with the options below; it is of no use by hand.";

// Errors are for the program that has started us.
void refuse(int fd, const std::string& text) {
  if (fd < 0) throw Failure(text);
  const std::string line = text.substr(0, text.find('\n')) + '\n';
  [[maybe_unused]] const ssize_t told = write(fd, line.data(), line.size());
}

struct Options {
  CollectRequest request;
  RunOptions run;
  std::string suffix;
  std::string command_line;
  std::uint32_t session_version = 0;
};

bool read(Options& options, const Arguments& arguments) {
  RunOptions& run = options.run;
  Command command(kDescription, kUsageLine);
  command.add_option("--session-fd", options.request.session, "Shared memory for the recording")->option_text(" FD");
  command.add_option("--reply-fd", options.request.reply, "Where to say whether it works")->option_text(" FD");
  command.add_option("--pid", options.request.pid, "The process")->option_text(" PID");
  command.add_option("--session-version", options.session_version, "What the process takes the shared memory for")
      ->option_text(" N");
  command.add_option("--suffix", options.suffix, "Added to the name of the output")->option_text(" TEXT");
  command.add_option("--command-line", options.command_line, "Of the process, for reports")->option_text(" TEXT");
  command.add_flag("--follow-exec", options.request.follows_exec, "Record a program that replaces this one, too");
  RecordingOptions recording(command, run, {.output = "Where to write (default: memray-PID.bin)", .hooks = "plt"});
  if (!command.read(arguments)) return false;
  recording.finish();
  return true;
}

void fill(Options& options, const Installation& installation, const RunPlugins& plugins, Sink& sink) {
  const RunOptions& run = options.run;
  RecordRequest& record = options.request.record;
  record.argv = {options.command_line.empty() ? command_line_of(options.request.pid) : options.command_line};
  record.recorder = installation.recorder();
  record.hooks = plugins.hooks;
  record.unwinders = plugins.unwinders;
  fill_request(record, run);
  record.sink = &sink;
  if (run.output.empty()) record.sink_config.output = fmt::format("memray-{}.bin", options.request.pid);
  record.sink_config.output += options.suffix;
}

}  // namespace

int collect_command(const Installation& installation, const Arguments& arguments) {
  Options options;
  try {
    if (!read(options, arguments)) return kSuccess;
    if (options.request.session < 0 || options.request.pid <= 0)
      throw UsageError("--session-fd, --reply-fd and --pid are needed", kUsageLine);
    if (options.session_version != session::kVersion)
      throw Failure("the memray command and the recorder in the program are of different builds; install both anew");
    Target target;
    target.image = fmt::format("/proc/{}/exe", options.request.pid);
    if (options.run.hooks.empty()) options.run.hooks = {"plt"};
    const RunPlugins plugins = choose_plugins(installation, options.run, target);
    for (const auto& hooks : plugins.hooks) {
      if (hooks.preload)
        throw Failure(fmt::format("the hooks '{}' work only in a program that memray starts; use plt", hooks.name));
    }
    const auto sink = load_sink(plugins.sink);
    fill(options, installation, plugins, *sink);
    return collect(options.request) ? kSuccess : kFailure;
  } catch (const std::exception& error) {
    refuse(options.request.reply, error.what());
    return kFailure;
  }
}

}  // namespace memray::cli
