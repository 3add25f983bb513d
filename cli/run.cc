// memray run: what to run, with which plugins, then record() it and end as it ended.
#include "cli.h"
#include "progress.h"
#include "recording_options.h"
#include "run_live.h"
#include "run_options.h"
#include "run_plugins.h"
#include "target.h"

#include "collector/record.h"
#include "plugin/loader.h"

#include <fmt/format.h>
#include <memray/text.h>
#include <stdio_ext.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <cstdio>

namespace memray::cli {
namespace {

std::string quoted(const std::string& text) {
  constexpr auto kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,+@%";
  if (!text.empty() && text.find_first_not_of(kPlain) == text.npos) return text;
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

RecordRequest make_request(const Installation& installation, const RunOptions& options, const Target& target,
                           const RunPlugins& plugins, Sink& sink) {
  RecordRequest request;
  request.executable = target.executable;
  request.argv = target.argv;
  request.start_with_program = target.python && !options.startup;
  request.recorder = installation.recorder();
  request.hooks = plugins.hooks;
  request.unwinders = plugins.unwinders;
  fill_request(request, options);
  request.sink = &sink;
  if (options.output.empty()) request.sink_config.output = target.default_output;
  return request;
}

void explain(const RecordRequest& request) {
  std::string command;
  for (const auto& word : request.argv) command += " " + quoted(word);
  fmt::print(stderr, "memray: executing {} as{}\n", request.executable.string(), command);
  fmt::print(stderr, "memray: recorder {}\n", request.recorder.string());
  for (const auto& plugin : request.hooks) fmt::print(stderr, "memray: hooks {}\n", plugin.file.string());
  for (const auto& plugin : request.unwinders) fmt::print(stderr, "memray: unwinder {}\n", plugin.file.string());
}

void print_summary(const RecordResult& result) {
  fmt::print("\nSuccessfully recorded {} allocations, {} at the peak.\n", result.totals.allocations,
             size_text(result.totals.peak_bytes));
  if (result.ending.kind == Ending::Kind::signalled)
    fmt::print("The program was {}; everything up to then is recorded.\n", describe(result.ending));
}

bool is_capture_file(const std::string& destination) {
  std::error_code error;
  return std::filesystem::is_regular_file(destination, error);
}

void suggest_report(const Installation& installation, const std::string& destination) {
  const auto reports = report_names(installation);
  if (reports.empty()) return;
  const bool flamegraph = std::find(reports.begin(), reports.end(), "flamegraph") != reports.end();
  fmt::print("To see where the memory went:\n\n  memray {} {}\n", flamegraph ? "flamegraph" : reports.front(),
             quoted(destination));
}

// False if one of them could not be made; it has said why then.
bool make_reports(const Installation& installation, const std::vector<ReportName>& reports,
                  const std::string& destination, bool force) {
  if (reports.empty()) return true;
  if (!is_capture_file(destination)) {
    fmt::print(stderr, "--report: there is no capture file to make reports of\n");
    return false;
  }
  bool made = true;
  for (const ReportName& report : reports) {
    std::fflush(stdout);
    try {
      made = report_command(installation, report, {destination}, force) == kSuccess && made;
    } catch (const std::exception& error) {
      fmt::print(stderr, "{}\n", error.what());
      made = false;
    }
  }
  return made;
}

// Whoever waits for memray sees what they would have seen of the program. The core file, if any, is the program's.
int end_as(const Ending& ending) {
  switch (ending.kind) {
    case Ending::Kind::exited:
      return ending.code;
    case Ending::Kind::signalled:
      break;
    default:
      return kSuccess;
  }
  const rlimit none{};
  setrlimit(RLIMIT_CORE, &none);
  prctl(PR_SET_DUMPABLE, 0);
  if (std::fflush(stdout) != 0) __fpurge(stdout);
  std::signal(ending.code, SIG_DFL);
  sigset_t only;
  sigemptyset(&only);
  sigaddset(&only, ending.code);
  sigprocmask(SIG_UNBLOCK, &only, nullptr);
  raise(ending.code);
  return 128 + ending.code;
}

int run(const Installation& installation, const RunOptions& options) {
  std::vector<ReportName> reports;
  for (const auto& name : options.reports) reports.push_back(find_report(installation, name, options.usage));
  const Target target = resolve_target(options);
  const RunPlugins plugins = choose_plugins(installation, options, target);
  if (!std::filesystem::exists(installation.recorder()))
    throw Failure(fmt::format("the recorder is not installed: there is no {}", installation.recorder().string()));
  const auto sink = load_sink(plugins.sink);

  RecordRequest request = make_request(installation, options, target, plugins, *sink);
  if (installation.verbosity > 0) explain(request);
  std::string written_to;
  request.on_start = [&](const std::string& destination) {
    written_to = destination;
    const std::string instructions = sink->instructions();
    if (options.quiet || (destination.empty() && instructions.empty())) return;
    if (instructions.empty()) {
      fmt::print("Writing profile results into {}\n", destination);
    } else {
      fmt::print("{}", instructions);
    }
    std::fflush(stdout);
  };

  Progress progress;
  request.on_symbols = [&](double fraction) { fraction < 1 ? progress.update(fraction) : progress.clear(); };

  const RecordResult result = record(request);
  std::signal(SIGPIPE, SIG_IGN);         // from here on whoever reads this may go; the exit code is the program's
  if (result.status && !result.started)  // while waiting for a client
    return result.ending.code == SIGINT ? static_cast<int>(kSuccess) : end_as(result.ending);
  if (!result.status) {
    tell((result.started ? "the recording ended early: " : "") + result.status.message());
    if (!result.started) return kFailure;
  } else if (!options.quiet) {
    print_summary(result);
    if (reports.empty() && is_capture_file(written_to)) suggest_report(installation, written_to);
  }
  if (std::fflush(stdout) != 0) __fpurge(stdout);
  const bool made = make_reports(installation, reports, written_to, options.force);
  const int code = end_as(result.ending);
  return code == kSuccess && !made ? kFailure : code;
}

}  // namespace

int run_command(const Installation& installation, const Arguments& arguments) {
  auto options = read_run_options(arguments);
  if (!options) return kSuccess;
  options->started_from = installation.python;
  if (!options->live) return run(installation, *options);
  return run_live([&](int fd) {
    options->quiet = true;
    options->sink_arguments = fmt::format("fd:{}", fd);
    return run(installation, *options);
  });
}

}  // namespace memray::cli
