// memray live --web: the recording as pages in a browser.
#pragma once

#include "cli.h"

#include "live/watcher.h"

#include <cstdint>

namespace memray::cli {

// Serves pages, on this port or (0) one that is free, until `ending` becomes readable. Throws Failure.
int watch_in_browser(live::Watcher& watcher, const Installation& installation, std::uint16_t port, int ending);

}  // namespace memray::cli
