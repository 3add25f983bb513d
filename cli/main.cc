// The memray command: global options, then a subcommand. `run` and `plugins` are built in; every reporter plugin found
// is one more. Only the reporter that is asked for is opened, so the command starts fast whatever is installed.
#include "arguments.h"
#include "plugin/loader.h"
#include "plugin/near_miss.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace memray::cli {
namespace {

constexpr auto kUsageLine = "memray [options] COMMAND ...";

enum class Group { record, report, other };

struct BuiltIn {
  Group group;
  const char* name;
  const char* description;
  int (*run)(const Installation&, const Arguments&);
};
constexpr BuiltIn kBuiltIns[] = {
    {Group::record, "run", "Record a program: a Python script, a module, or any dynamically linked program",
     run_command},
    {Group::record, "attach", "Record a process that is already running", attach_command},
    {Group::record, "detach", "End a recording that was attached", detach_command},
    {Group::record, "live", "Watch a recording while it is made", live_command},
    {Group::report, "transform", "Write a format for another program: csv, pprof, speedscope, ...; --help lists them",
     transform_command},
    {Group::other, "plugins", "List the plugins found, and why any of them cannot be used", plugins_command},
};

std::string help_text(const Installation& installation) {
  std::string text = fmt::format("Usage: {}\n\nShows where a program's memory goes.\n", kUsageLine);
  const auto line = [&](std::string_view name, std::string_view what) {
    text += fmt::format("  {:<22}  {}\n", name, what);
  };
  const auto group = [&](Group wanted) {
    for (const auto& built_in : kBuiltIns)
      if (built_in.group == wanted) line(built_in.name, built_in.description);
  };
  text += "\nRecord:\n";
  group(Group::record);
  text += "\nReport on a recording:\n";
  bool any = false;
  const std::vector<std::string> reports = report_names(installation);
  for (const auto& plugin : list_plugins(installation.plugin_path, Check::descriptor)) {
    if (plugin.kind != PluginKind::reporter || !plugin.rejected.empty() || plugin.shadowed) continue;
    if (std::find(reports.begin(), reports.end(), plugin.name) == reports.end()) continue;
    line(plugin.name, plugin.description);
    any = true;
  }
  if (!any) text += "  (no reporter plugin is installed; see memray plugins)\n";
  group(Group::report);
  text += "\nOther:\n";
  group(Group::other);
  text += "\nOptions:\n";
  line("-h, --help", "Show this help; after a command, help on that command");
  line("-V, --version", "Show the version");
  line("-v, --verbose", "Say more about what is done; twice for details");
  text +=
      "\nStart with:\n"
      "  memray run script.py\n"
      "  memray flamegraph memray-script.py.1234.bin\n";
  return text;
}

std::string no_such_command(const Installation& installation, const std::string& name) {
  std::vector<std::string> commands;
  for (const auto& built_in : kBuiltIns) commands.emplace_back(built_in.name);
  for (auto& reporter : report_names(installation)) commands.push_back(std::move(reporter));
  std::string text = fmt::format("there is no command '{}'", name);
  if (const auto near = near_miss(name, commands); !near.empty())
    text += fmt::format("; did you mean '{}'?", near);
  else
    text += fmt::format("; the commands are {}", fmt::join(commands, ", "));
  std::vector<std::string> folders;
  for (const auto& folder : installation.plugin_path) folders.push_back(folder.string());
  return text + fmt::format("\nReports are plugins: no memray-reporter-{}.so in {}", name,
                            folders.empty() ? "any plugin folder" : fmt::format("{}", fmt::join(folders, ", ")));
}

int dispatch(const Arguments& all) {
  Installation installation = find_installation();
  Command options("", kUsageLine);
  options.set_help_flag();
  bool help = false;
  bool version = false;
  options.add_flag("-h,--help", help);
  options.add_flag("-V,--version", version);
  options.add_flag("-v,--verbose", installation.verbosity);

  options.add_option("--from-python", installation.python)->allow_extra_args(false)->group("");

  const auto end = all.begin() + static_cast<std::ptrdiff_t>(options.options_end(all, ""));
  options.read({all.begin(), end});
  if (help) return fmt::print("{}", help_text(installation)), kSuccess;
  if (version) return fmt::print("{}\n", MEMRAY_VERSION), kSuccess;
  if (end == all.end()) throw UsageError("a command is missing; memray --help lists them", kUsageLine);

  const Arguments rest(end + 1, all.end());
  if (*end == "collect") return collect_command(installation, rest);  // not for people, so not listed
  for (const auto& built_in : kBuiltIns)
    if (*end == built_in.name) return built_in.run(installation, rest);
  const auto reporters = report_names(installation);
  if (std::find(reporters.begin(), reporters.end(), *end) == reporters.end())
    throw UsageError(no_such_command(installation, *end), kUsageLine);
  return report_command(installation, {*end, *end, *end}, rest);
}

// A standard stream that is closed leaves its number to the next file that is opened, the capture perhaps, and what is
// printed would go there. What is executed finds it closed, as it would have.
void fill_standard_streams() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd)
    if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR | O_CLOEXEC) < 0) return;
}

}  // namespace
}  // namespace memray::cli

int main(int argc, char** argv) {
  using namespace memray;
  cli::fill_standard_streams();
  try {
    const int code = cli::dispatch(cli::Arguments(argv + std::min(argc, 1), argv + argc));
    if (std::fflush(stdout) != 0 && code == cli::kSuccess && errno != EPIPE)
      throw cli::Failure(fmt::format("cannot write to standard output: {}", std::strerror(errno)));
    return code;
  } catch (const cli::UsageError& error) {
    fmt::print(stderr, "Usage: {}\nmemray: {}\n", error.usage(), error.what());
    return cli::kUsage;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return cli::kFailure;
  }
}
