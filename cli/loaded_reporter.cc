#include "loaded_reporter.h"

#include <fmt/format.h>

#include <cstdlib>

namespace memray::cli {
namespace {

// What crossed the plugin's boundary is malloc'ed.
std::string take(char* text) {
  std::string taken = text != nullptr ? text : "";
  std::free(text);
  return taken;
}

}  // namespace

LoadedReporter::LoadedReporter(const std::filesystem::path& file)
    : plugin_(file, PluginKind::reporter),
      factory_(*static_cast<const memray_reporter_factory*>(plugin_.descriptor().interface)),
      reporter_(factory_.create(), factory_.destroy) {
  if (!reporter_) throw Failure(fmt::format("cannot use {}: it could not make a reporter", file.string()));
}

int LoadedReporter::run(ReportContext& context, std::string& message) {
  char* text = nullptr;
  const int code = factory_.run(reporter_.get(), &context, &text);
  message = take(text);
  return code;
}

LivePage LoadedReporter::live(const LiveReport& report, bool html) {
  LivePage page;
  char* text = nullptr;
  const int code = factory_.live(reporter_.get(), &report, html, &page, &text);
  if (const std::string message = take(text); code != 0) throw Failure(message);
  return page;
}

}  // namespace memray::cli
