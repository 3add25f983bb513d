// A reporter plugin in use.
#pragma once

#include "cli.h"

#include "plugin/loader.h"

#include <filesystem>
#include <memory>
#include <string>

namespace memray::cli {

class LoadedReporter {
 public:
  // Throws PluginError, Failure.
  explicit LoadedReporter(const std::filesystem::path& file);

  const char* description() const { return plugin_.descriptor().description; }
  void declare(ReporterOptions& options) const { reporter_->declare(options); }
  // Returns the exit code; `message` says why it is not 0, if the report ended early.
  int run(ReportContext& context, std::string& message);

  bool follows() const { return reporter_->follows(); }
  // Throws Failure.
  LivePage live(const LiveReport& report, bool html);

 private:
  LoadedPlugin plugin_;
  const memray_reporter_factory& factory_;
  std::unique_ptr<Reporter, void (*)(Reporter*)> reporter_;
};

}  // namespace memray::cli
