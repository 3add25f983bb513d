// memray attach, memray detach: recording a process that is already running.
#include "arguments.h"
#include "cli.h"
#include "recording_options.h"
#include "run_options.h"
#include "run_plugins.h"
#include "running_process.h"
#include "target.h"

#include "attach/attach.h"
#include "plugin/loader.h"

#include <fmt/format.h>
#include <memray/text.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <filesystem>
#include <map>

namespace memray::cli {
namespace {

constexpr auto kAttachUsage = "memray attach [options] PID [live]";
constexpr auto kDetachUsage = "memray detach PID";

constexpr auto kAttachDescription =
    "Records a process that is already running, Python or native. Needs no debugger and nothing installed where the\n"
    "process runs; it may be in a container. The recording ends with memray detach PID, after --duration, or when the\n"
    "process ends. With \"live\" it is watched in this terminal, and ends when the view is left.";

constexpr auto kAttachFooter =
    "What was allocated before is not known; frees of it are counted apart. docs/attach.md says what is needed and "
    "done.";

constexpr auto kDetachDescription =
    "Ends a recording that memray attach has begun. The process goes on, and nothing is left in it.";

// "memray-NAME.PID.bin", by the script if there is one.
std::string default_output(pid_t pid, const std::string& command_line) {
  std::string name = std::filesystem::path(command_line.substr(0, command_line.find(' '))).filename();
  std::string script = command_line.substr(std::min(command_line.size(), command_line.find(' ') + 1));
  script = std::filesystem::path(script.substr(0, script.find(' '))).filename();
  if (name.starts_with("python") && script.ends_with(".py")) name = script;
  return fmt::format("memray-{}.{}.bin", name.empty() ? "process" : name, pid);
}

RunPlugins plugins_for(const Installation& installation, RunOptions& options, pid_t pid) {
  if (options.hooks.empty()) options.hooks = {"plt"};
  Target target;
  target.image = fmt::format("/proc/{}/exe", pid);
  target.python = true;
  RunPlugins plugins = choose_plugins(installation, options, target);
  for (const auto& hooks : plugins.hooks) {
    if (hooks.preload)
      throw Failure(fmt::format("the hooks '{}' have to be there when a program starts; use plt", hooks.name));
  }
  return plugins;
}

void add_method(Command& command, attach::Method& method) {
  using attach::Method;
  command
      .add_option("--method", method,
                  "How to get into the process: by ptrace; by a script that CPython 3.14 is asked to run\n"
                  "(remote_exec); by gdb, where only that may trace (default: auto, ptrace, else remote_exec)")
      ->option_text(" auto|ptrace|remote_exec|gdb")
      ->transform(CLI::CheckedTransformer(std::map<std::string, Method>{{"auto", Method::automatic},
                                                                        {"ptrace", Method::ptrace},
                                                                        {"remote_exec", Method::remote_exec},
                                                                        {"gdb", Method::gdb}}));
}

void detach(const Installation& installation, pid_t pid, attach::Method method, bool quiet) {
  const attach::Ended ended = attach::detach(pid, installation.recorder(), method);
  if (!ended.trouble.empty()) throw Failure("the recording has ended, but not well: " + ended.trouble);
  if (!quiet) {
    fmt::print("The recording of process {} has ended{}.\n", pid,
               ended.destination.empty() ? "" : " and is in " + ended.destination);
  }
}

// Served to this terminal, or to a file that this command writes.
void prepare_live(RunOptions& options, Arguments& watch) {
  if (options.sink != "file" && options.sink != "socket")
    throw UsageError("live is for --sink=socket, which need not be named", kAttachUsage);
  if (!isatty(STDOUT_FILENO) && options.output.empty())
    throw Failure("the live view draws on a terminal, and standard output is none; with -o FILE it needs no terminal");
  options.sink = "socket";
  options.quiet = true;
  if (!options.output.empty()) watch = {"-o", options.output};
  if (options.force) watch.push_back("-f");
  options.output.clear();
}

int watch_until_left(const Installation& installation, pid_t pid, attach::Method method, const Arguments& watch) {
  int code = kFailure;
  std::exception_ptr trouble;
  try {
    code = live_command(installation, watch);
  } catch (...) {
    trouble = std::current_exception();
  }
  try {
    detach(installation, pid, method, true);
  } catch (const attach::AttachError&) {  // it has ended, or somebody else has detached from it
  }
  if (trouble) std::rethrow_exception(trouble);
  return code;
}

}  // namespace

int attach_command(const Installation& installation, const Arguments& arguments) {
  CollectRequest request;
  RunOptions options;
  std::string duration_text;
  std::int64_t duration = 0;  // nanoseconds
  std::string view;
  attach::Method method = attach::Method::automatic;
  Command command(kAttachDescription, kAttachUsage);
  command.footer(kAttachFooter);
  RecordingOptions recording(command, options,
                             {.output = "Where to write (default: memray-NAME.PID.bin)", .hooks = "plt"});
  command.add_flag("-q,--quiet", options.quiet, "Print nothing on standard output");
  command.add_option("--duration", duration_text, "End the recording after so long: 90 (seconds), 0.5s, 10m, 2h")
      ->option_text(" TIME")
      ->check([&](const std::string& text) {
        duration = parse_duration(text).value_or(0);
        return duration > 0 ? "" : text + " is not a time like 90, 0.5s, 10m or 2h";
      });
  add_method(command, method);
  command.add_option("pid", request.pid, "The process")->option_text(" PID")->required();
  command.add_option("view", view, "Watch it here; -o FILE keeps what has come")
      ->option_text(" live")
      ->check(CLI::IsMember({"live"}));
  if (!command.read(arguments)) return kSuccess;
  recording.finish();
  Arguments watch;
  if (!view.empty()) prepare_live(options, watch);
  if (options.track_objects)
    throw Failure(
        "--track-object-lifetimes is for programs that memray starts, and for Tracker; attach knows no objects");

  attach::check_target(request.pid);
  const RunPlugins plugins = plugins_for(installation, options, request.pid);
  const auto sink = load_sink(plugins.sink);
  const std::string command_line = command_line_of(request.pid);
  RecordRequest& record = request.record;
  fill_request(record, options);
  record.argv = {command_line};
  record.recorder = installation.recorder();
  record.hooks = plugins.hooks;
  record.unwinders = plugins.unwinders;
  record.sink = sink.get();
  if (options.output.empty()) record.sink_config.output = default_output(request.pid, command_line);
  if (duration > 0) {
    request.duration = std::chrono::nanoseconds(duration);
    request.leave = [&] { attach::leave(request.pid, record.recorder, method); };
  }
  const std::string destination = attach::attach(request, method);
  if (!view.empty()) {
    watch.push_back(destination);
    return watch_until_left(installation, request.pid, method, watch);
  }
  if (options.quiet) return kSuccess;
  fmt::print("Recording process {}{}\n", request.pid, destination.empty() ? "" : " into " + destination);
  fmt::print("To end the recording{}:\n\n  memray detach {}\n",
             duration > 0 ? fmt::format(" before {} are over", duration_text) : "", request.pid);
  return kSuccess;
}

int detach_command(const Installation& installation, const Arguments& arguments) {
  pid_t pid = 0;
  bool quiet = false;
  attach::Method method = attach::Method::automatic;
  Command command(kDetachDescription, kDetachUsage);
  command.add_flag("-q,--quiet", quiet, "Print nothing on standard output");
  add_method(command, method);
  command.add_option("pid", pid, "The process")->option_text(" PID")->required();
  if (!command.read(arguments)) return kSuccess;
  detach(installation, pid, method, quiet);
  return kSuccess;
}

}  // namespace memray::cli
