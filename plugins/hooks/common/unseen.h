// Allocators whose own functions the program calls, and nobody hooks.
#pragma once

#pragma GCC visibility push(hidden)

namespace memray::hooks {

// Tells the user which backend is missing, once for each.
void warn_of_unseen_allocators();

}  // namespace memray::hooks

#pragma GCC visibility pop
