// Names for all native frames of a recording.
#pragma once

#include "symbols/module_files.h"
#include "symbols/symbol_file.h"

#include <memray/definitions.h>

#include <functional>
#include <optional>
#include <span>

namespace memray::symbols {

// Sets the locations of every native frame that has none and about which something is known. A file is opened once, and
// a place in it looked up once, however many processes have it mapped; files are read in parallel. `on_progress`, which
// may be empty, is called now and then by this thread with a fraction in [0, 1], the last time with 1.
void resolve(Definitions& definitions, const ModuleFiles& files, const std::function<void(double)>& on_progress);

// The place in its module's file of the call that a native frame is in the middle of; nothing of other frames, of those
// in no module, and of those that have locations.
std::optional<std::uint64_t> place_to_look_up(const Definitions& definitions, FrameId frame);

void set_locations(Definitions& definitions, std::span<const FrameId> frames, std::span<const Function> functions);

}  // namespace memray::symbols
