#include "run_options.h"

#include "arguments.h"

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

std::vector<std::string> split_names(const std::string& option, const std::string& text) {
  std::vector<std::string> names;
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t end = std::min(text.find(',', start), text.size());
    const std::string name = text.substr(start, end - start);
    if (name.empty()) throw UsageError(option + " needs names, separated by commas", kUsageLine);
    if (std::find(names.begin(), names.end(), name) != names.end())
      throw UsageError(fmt::format("{} names '{}' twice", option, name), kUsageLine);
    names.push_back(name);
    start = end + 1;
  }
  return names;
}

void check_conflicts(const RunOptions& options) {
  const auto fail = [](const std::string& message) { throw UsageError(message, kUsageLine); };
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
  if (!options.output.empty() && options.sink == "file" && !options.sink_arguments.empty())
    fail("an output file is named twice: with -o and with --sink=file:PATH");
  if (options.what == RunOptions::What::program && !options.python.empty())
    fail("--python is for scripts, -m and -c; what follows \"--\" is run as it is");
  if (options.what == RunOptions::What::program && options.startup)
    fail("--startup is for scripts, -m and -c; what follows \"--\" is recorded from its first instruction");
  if (std::error_code error;
      options.what == RunOptions::What::code && std::filesystem::is_regular_file(options.program, error))
    fail(fmt::format("-c takes Python code, and {} is a file; to run it, leave out -c", options.program));
}

}  // namespace

std::optional<RunOptions> read_run_options(const Arguments& arguments) {
  RunOptions run;
  run.usage = kUsageLine;
  std::string module, code, hooks, unwinders, sink = "file", on_overrun = "wait";

  Command command(kDescription, kUsageLine);
  command.footer(kFooter);
  const auto* module_option =
      command.add_option("-m", module, "Run a module as python -m does")->option_text(" MODULE");
  const auto* code_option = command.add_option("-c", code, "Run source text as python -c does")->option_text(" CODE");
  command
      .add_option("--python", run.python,
                  "The interpreter to use; needs nothing of memray installed (default: python3)")
      ->option_text(" PYTHON");
  command
      .add_option("-o,--output", run.output,
                  "Where to write; %p is replaced by the process number (default: memray-NAME.%p.bin)")
      ->option_text(" FILE");
  command.add_flag("-f,--force", run.force, "Overwrite FILE if it exists");
  command.add_flag("-q,--quiet", run.quiet, "Print nothing on standard output but what the program prints");
  command.add_flag("--startup", run.startup, "Record the interpreter's start as well, not only the script");
  command
      .add_option("--on-overrun", on_overrun,
                  "When the program allocates faster than can be recorded: let it wait, or drop\n"
                  "events and count them (default: wait)")
      ->option_text(" wait|drop")
      ->check(CLI::IsMember({"wait", "drop"}));
  command.add_flag("--follow-fork", run.follow_fork, "Record child processes too, into the same capture");
  command
      .add_option("--memory-interval", run.memory_interval_ms,
                  "Milliseconds between two looks at the memory size (default: 10)")
      ->option_text(" MS")
      ->check(CLI::Range(1, 3'600'000));
  command.add_flag("--native", run.native, "Record native stacks too: those of C, C++, Rust, ... code");
  command.add_flag("--trace-python-allocators", run.trace_python_allocators,
                   "Record every request to Python's own allocators, so every object, not only\n"
                   "what they get from malloc");
  const auto* hooks_option =
      command.add_option("--hooks", hooks, "How allocator calls are seen (default: preload)")->option_text(" NAME,...");
  const auto* unwinders_option =
      command.add_option("--unwinders", unwinders, "What stacks are made of (default: python)")
          ->option_text(" NAME,...");
  const auto* sink_option =
      command.add_option("--sink", sink, "Where the recording goes (default: file)")->option_text(" NAME[:ARGS]");

  command.add_flag("--aggregate", run.aggregate,
                   "Keep totals by stack, at the peak and at the end, instead of every event");

  const std::size_t end = command.options_end(arguments, "mc");
  Arguments own(arguments.begin(), arguments.begin() + static_cast<std::ptrdiff_t>(end));
  Arguments rest(arguments.begin() + static_cast<std::ptrdiff_t>(end), arguments.end());
  const bool dashes = !own.empty() && own.back() == "--";
  if (!command.read(own)) return std::nullopt;

  run.drop_on_overrun = on_overrun == "drop";
  if (hooks_option->count()) run.hooks = split_names("--hooks", hooks);
  if (unwinders_option->count()) run.unwinders = split_names("--unwinders", unwinders);
  if (run.aggregate && sink_option->count())
    throw UsageError("--aggregate is --sink=aggregated; name a sink or aggregate, not both", kUsageLine);
  if (run.aggregate) sink = "aggregated";
  run.sink = sink.substr(0, sink.find(':'));
  if (run.sink.size() < sink.size()) run.sink_arguments = sink.substr(run.sink.size() + 1);
  if (run.sink.empty()) throw UsageError("--sink needs a name", kUsageLine);

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
