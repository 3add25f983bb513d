// Which plugins take part in a recording: those asked for, else the defaults as far as they are installed and fit.
#pragma once

#include "run_options.h"
#include "target.h"

#include "collector/record.h"

namespace memray::cli {

struct RunPlugins {
  std::vector<TargetPlugin> hooks;
  std::vector<TargetPlugin> unwinders;
  std::filesystem::path sink;
};

// Throws PluginError for a name that nothing is known by, Failure for a plugin that is of no use.
RunPlugins choose_plugins(const Installation& installation, const RunOptions& options, const Target& target);

}  // namespace memray::cli
