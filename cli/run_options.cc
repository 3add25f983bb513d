#include "run_options.h"

#include "arguments.h"
#include "recording_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

namespace memray::cli {
namespace {

constexpr auto kUsageLine = "memray run [options] (script | -m module | -c code | -- program) [arguments]";

constexpr auto kDescription =
    "Records every allocation of a program and the stack that made it.\n"
    "\n"
    "  memray run [options] script.py [arguments]     a Python script\n"
    "  memray run [options] -m module [arguments]     a Python module\n"
    "  memray run [options] -c code [arguments]       Python code\n"
    "  memray run [options] -- program [arguments]    any dynamically linked program\n"
    "\n"
    "Options come first: what follows the script, module, code or program belongs to it.\n"
    "A file that is no Python script is run as a program, also without \"--\".";

constexpr auto kFooter =
    "The exit code is the program's; if a signal killed it, memray dies of the same one.\n"
    "Plugins for --hooks, --unwinders and --sink are listed by memray plugins.";

void check_conflicts(const RunOptions& options) {
  const auto fail = [](const std::string& message) { throw UsageError(message, kUsageLine); };
  if (options.track_objects && options.startup)
    fail("--track-object-lifetimes begins with the script, and --startup before it; choose one of them");
  if (options.what == RunOptions::What::program && !options.python.empty())
    fail("--python is for scripts, -m and -c; what follows \"--\" is run as it is");
  if (options.what == RunOptions::What::program && options.startup)
    fail("--startup is for scripts, -m and -c; what follows \"--\" is recorded from its first instruction");
  if (std::error_code error;
      options.what == RunOptions::What::code && std::filesystem::is_regular_file(options.program, error))
    fail(fmt::format("-c takes Python code, and {} is a file; to run it, leave out -c", options.program));
}

// --live and --live-remote are the socket sink, with or without saying so.
void serve(RunOptions& run, int port) {
  const std::string option = run.live ? "--live" : "--live-remote";
  const auto fail = [&](const std::string& message) { throw UsageError(option + message, kUsageLine); };
  if (run.live && run.live_remote) fail(" watches here, and --live-remote waits for others; choose one of them");
  if (run.aggregate) fail(" shows single events, and --aggregate keeps only totals; choose one of them");
  if (run.live && !run.output.empty()) fail(" writes no file; leave out -o, or save what is shown with the key s");
  if (!run.output.empty()) fail(" writes no file; leave out -o, or write one with memray live -o");
  if (run.buffered_file) fail(" writes no file; leave out --buffered-file-io");
  if (run.max_capture_size != 0) fail(" writes no file whose size could be limited");
  if (run.track_objects) fail(" does not send objects, which --track-object-lifetimes asks for");
  if (run.live && run.sink != "file") fail(" watches here; leave out --sink=" + run.sink);
  if (run.sink != "file" && run.sink != "socket") fail(" is --sink=socket; leave out --sink=" + run.sink);
  if (port != 0 && !run.sink_arguments.empty()) fail("the port is given twice: with --live-port and with --sink");
  run.sink = "socket";
  if (port != 0) run.sink_arguments = std::to_string(port);
}

}  // namespace

std::optional<RunOptions> read_run_options(const Arguments& arguments) {
  RunOptions run;
  run.usage = kUsageLine;
  std::string module, code, reports;

  Command command(kDescription, kUsageLine);
  command.footer(kFooter);
  const auto* module_option =
      command.add_option("-m", module, "Run a module as python -m does")->option_text(" MODULE");
  const auto* code_option = command.add_option("-c", code, "Run source text as python -c does")->option_text(" CODE");
  command
      .add_option("--python", run.python,
                  "The interpreter to use; needs nothing of memray installed (default: python3)")
      ->option_text(" PYTHON");
  RecordingOptions recording(command, run,
                             {.output = "Where to write; %p is replaced by the process number (default: "
                                        "memray-NAME.%p.bin)",
                              .hooks = "preload"});
  command.add_flag("-q,--quiet", run.quiet, "Print nothing on standard output but what the program prints");
  command.add_flag("--startup", run.startup, "Record the interpreter's start as well, not only the script");

  command.add_flag("--live", run.live, "Run the program in the background, and show its memory in this terminal");
  int live_port = 0;
  command.add_flag("--live-remote", run.live_remote,
                   "Serve the recording, as --sink=socket does, and start the program when memray live\n"
                   "has connected");
  const auto* live_port_option =
      command.add_option("-p,--live-port", live_port, "The port for --live-remote (default: any that is free)")
          ->option_text(" PORT");

  const auto* reports_option =
      command.add_option("--report", reports, "Reports to make of the recording when the program has ended")
          ->option_text(" NAME,...");

  const std::size_t end = command.options_end(arguments, "mc");
  Arguments own(arguments.begin(), arguments.begin() + static_cast<std::ptrdiff_t>(end));
  Arguments rest(arguments.begin() + static_cast<std::ptrdiff_t>(end), arguments.end());
  const bool dashes = !own.empty() && own.back() == "--";
  if (!command.read(own)) return std::nullopt;

  recording.finish();
  if (live_port_option->count()) {
    if (!run.live_remote) throw UsageError("--live-port goes with --live-remote", kUsageLine);
    if (live_port < 1 || live_port > 65535)
      throw Failure(fmt::format("Invalid port: {} is not between 1 and 65535", live_port));
  }
  if (run.live || run.live_remote) serve(run, live_port);
  if (reports_option->count()) run.reports = split_names("--report", reports, run.usage);
  if (module_option->count() || code_option->count()) {
    run.what = module_option->count() ? RunOptions::What::module : RunOptions::What::code;
    run.program = module_option->count() ? module : code;
  } else if (rest.empty()) {
    throw UsageError("nothing to run: a script, -m module, -c code or -- program is missing", kUsageLine);
  } else {
    run.what = dashes ? RunOptions::What::program : RunOptions::What::file;
    run.program = rest.front();
    rest.erase(rest.begin());
  }
  run.arguments = std::move(rest);
  check_conflicts(run);
  return run;
}

}  // namespace memray::cli
