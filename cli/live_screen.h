// The terminal of the live view: draws a LiveModel, and turns keys into choices.
#pragma once

#include "live/watcher.h"

namespace memray::cli {

// Runs until the user quits, or the recording is refused. Standard output must be a terminal; keys come from standard
// input, whatever it is.
void watch_on_terminal(live::Watcher& watcher);

}  // namespace memray::cli
