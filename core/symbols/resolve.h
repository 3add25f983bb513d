// Names for all native frames of a recording.
#pragma once

#include "symbols/module_files.h"

#include <memray/definitions.h>

#include <functional>

namespace memray::symbols {

// Sets the locations of every native frame about which something is known. A file is opened once, and a place in it
// looked up once, however many processes have it mapped; files are read in parallel. `on_progress`, which may be empty,
// is called now and then by this thread with a fraction in [0, 1], the last time with 1.
void resolve(Definitions& definitions, const ModuleFiles& files, const std::function<void(double)>& on_progress);

}  // namespace memray::symbols
