// memray REPORT capture: one reporter plugin as a subcommand.
#include "report.h"

#include "loaded_reporter.h"

#include <fmt/format.h>

#include <csignal>

namespace memray::cli {
namespace {

Capture open_capture(const std::string& file) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(file, error)) throw Failure("No such file: " + file);
  try {
    return Capture(file);
  } catch (const CaptureError& reason) {
    throw Failure(fmt::format("Failed to parse allocation records in {}\nReason: The provided input file {}", file,
                              reason.what()));
  }
}

// What everybody who looks at a report of this capture has to know.
void tell_reservations(const Capture& capture) {
  const auto note = [&](std::string_view text) { fmt::print(stderr, "warning: {}: {}\n", capture.path(), text); };
  if (capture.damage()) note(*capture.damage());
  const auto& metadata = capture.metadata();
  switch (metadata.ending.kind) {
    case Ending::Kind::exited:
    case Ending::Kind::stopped:
    case Ending::Kind::ended:
      break;
    case Ending::Kind::unknown:
      note("the recording was cut short, the program's end is not part of it");
      break;
    case Ending::Kind::signalled:
    case Ending::Kind::unrecordable:
      note("the program " + describe(metadata.ending));
      break;
  }
  for (const std::string& text : reservations(metadata)) note(text);
}

}  // namespace

int report_command(const Installation& installation, const ReportName& name, const Arguments& arguments, bool force) {
  LoadedReporter reporter(find_plugin(installation.plugin_path, PluginKind::reporter, name.plugin));
  Command command(reporter.description(), fmt::format("memray {} [options] capture", name.command));
  DeclaredOptions options(command);
  reporter.declare(options);
  options.complete();
  if (!command.read(arguments)) return kSuccess;
  if (force) options.force();

  std::vector<Capture> captures;
  for (const auto& file : options.capture_files()) captures.push_back(open_capture(file));
  for (const auto& capture : captures) tell_reservations(capture);

  std::signal(SIGPIPE, SIG_IGN);  // a write to a reader that has gone fails instead
  Progress progress;
  Context context(name.file, options, std::move(captures), progress);
  std::string message;
  const int code = reporter.run(context, message);
  progress.clear();
  if (!context.flush()) return kSuccess;
  if (!message.empty()) fmt::print(stderr, "{}\n", message);
  return code;
}

}  // namespace memray::cli
