#include "recording_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace memray::cli {
namespace {

constexpr std::uint64_t kSmallestCapture = 100'000;

void check_conflicts(const RunOptions& options, const std::string& usage) {
  const auto fail = [&](const std::string& message) { throw UsageError(message, usage); };
  const auto contains = [](const std::vector<std::string>& names, const char* name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  const auto hooked = [&](const char* name) { return contains(options.hooks, name); };
  const auto unwound = [&](const char* name) { return contains(options.unwinders, name); };
  if (hooked("plt") && hooked("preload")) fail("--hooks: plt and preload both redirect malloc; choose one of them");
  if (options.unwinders.size() > 1 && unwound("none")) fail("--unwinders: none stands alone");
  if (options.native && unwound("none")) fail("--native and --unwinders=none contradict each other");
  const char* native = options.native ? "native" : nullptr;
  for (const char* name : {"native", "fp", "libunwind"}) {
    if (!unwound(name) || (native && std::string_view(native) == name)) continue;
    if (native) fail(fmt::format("{} and {} both make native stacks; choose one of them", native, name));
    native = name;
  }
  if (options.track_objects && options.aggregate)
    fail("--track-object-lifetimes keeps every object, and --aggregate only totals; choose one of them");
  if (!options.output.empty() && options.sink == "file" && !options.sink_arguments.empty())
    fail("an output file is named twice: with -o and with --sink=file:PATH");
  if (options.track_objects && options.sink == "socket")
    fail("--track-object-lifetimes is for captures that are files; --sink=socket does not send objects");
  if (options.track_objects && options.max_capture_size != 0)
    fail("--track-object-lifetimes keeps every object, so the capture cannot be kept below --max-capture-size");
  if (options.max_capture_size != 0 && options.sink != "file")
    fail("--max-capture-size is for captures that are files of events; --aggregate needs none, other sinks know none");
}

}  // namespace

std::vector<std::string> split_names(const std::string& option, const std::string& text, const std::string& usage) {
  std::vector<std::string> names;
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t end = std::min(text.find(',', start), text.size());
    const std::string name = text.substr(start, end - start);
    if (name.empty()) throw UsageError(option + " needs names, separated by commas", usage);
    if (std::find(names.begin(), names.end(), name) != names.end())
      throw UsageError(fmt::format("{} names '{}' twice", option, name), usage);
    names.push_back(name);
    start = end + 1;
  }
  return names;
}

RecordingOptions::RecordingOptions(Command& command, RunOptions& options, const Wording& wording)
    : command_(command), run_(options) {
  command.add_option("-o,--output", run_.output, wording.output)->option_text(" FILE");
  command.add_flag("-f,--force", run_.force, "Overwrite FILE if it exists");
  command
      .add_option("--on-overrun", on_overrun_,
                  "When the program allocates faster than can be recorded: let it wait, or drop\n"
                  "events and count them (default: wait)")
      ->option_text(" wait|drop")
      ->check(CLI::IsMember({"wait", "drop"}));
  command.add_flag("--follow-fork", run_.follow_fork, "Record child processes too, into the same capture");
  command
      .add_option("--memory-interval", run_.memory_interval_ms,
                  "Milliseconds between two looks at the memory size (default: 10)")
      ->option_text(" MS")
      ->check(CLI::Range(1, 3'600'000));
  command.add_flag("--native", run_.native, "Record native stacks too: those of C, C++, Rust, ... code");
  command.add_flag("--trace-python-allocators", run_.trace_python_allocators,
                   "Record every request to Python's own allocators, so every object, not only\n"
                   "what they get from malloc");
  command
      .add_option("--max-capture-size", run_.max_capture_size,
                  "Keep the capture below SIZE (100MB, 2GB, ...): when it comes near, its older events\n"
                  "are added up; peak, leaks and totals stay those of the whole recording")
      ->option_text(" SIZE")
      ->transform(CLI::AsSizeValue(true))
      ->check(CLI::Range(kSmallestCapture, std::numeric_limits<std::uint64_t>::max()));
  hooks_option_ =
      command.add_option("--hooks", hooks_, "How allocator calls are seen (default: " + wording.hooks + ")")
          ->option_text(" NAME,...");
  unwinders_option_ = command.add_option("--unwinders", unwinders_, "What stacks are made of (default: python)")
                          ->option_text(" NAME,...");
  sink_option_ =
      command
          .add_option("--sink", sink_, "Where the recording goes: file, socket (for memray live), ... (default: file)")
          ->option_text(" NAME[:ARGS]");
  command.add_flag("--aggregate", run_.aggregate,
                   "Keep totals by stack, at the peak and at the end, instead of every event");
  command.add_flag("--track-object-lifetimes", run_.track_objects,
                   "Record when Python objects are made and destroyed (CPython 3.13.3 and later)");
  // Options of other profilers, which scripts pass: files are always compressed, and written beside the program.
  CLI::Option* const compressed = command.add_flag("--compress-on-exit")->group("");
  command.add_flag("--no-compress")->group("")->excludes(compressed);
  command.add_flag("--buffered-file-io", run_.buffered_file)->group("");
}

void RecordingOptions::finish() {
  const std::string& usage = command_.usage();
  run_.drop_on_overrun = on_overrun_ == "drop";
  if (hooks_option_->count()) run_.hooks = split_names("--hooks", hooks_, usage);
  if (unwinders_option_->count()) run_.unwinders = split_names("--unwinders", unwinders_, usage);
  if (run_.aggregate && sink_option_->count())
    throw UsageError("--aggregate is --sink=aggregated; name a sink or aggregate, not both", usage);
  if (run_.aggregate) sink_ = "aggregated";
  run_.sink = sink_.substr(0, sink_.find(':'));
  if (run_.sink.size() < sink_.size()) run_.sink_arguments = sink_.substr(run_.sink.size() + 1);
  if (run_.sink.empty()) throw UsageError("--sink needs a name", usage);
  check_conflicts(run_, usage);
}

void fill_request(RecordRequest& request, const RunOptions& options) {
  request.drop_on_overrun = options.drop_on_overrun;
  request.follow_fork = options.follow_fork;
  request.track_objects = options.track_objects;
  request.memory_interval_ms = options.memory_interval_ms;
  request.sink_config.arguments = options.sink_arguments;
  request.sink_config.output = options.output;
  request.sink_config.output_given = !options.output.empty();
  request.sink_config.max_bytes = options.max_capture_size;
  request.sink_config.force = options.force;
  request.sink_config.quiet = options.quiet;
  request.wait_for_reader = options.live_remote;
  request.quiet = options.quiet;
}

}  // namespace memray::cli
