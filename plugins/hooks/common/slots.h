// Redirecting functions by changing the words ("slots") that hold their addresses, in all objects of the program.
#pragma once

#pragma GCC visibility push(hidden)

namespace memray::hooks {

// Called at attach: an object that contains this address is memray's.
void exempt_object_of(const void* address);

// Makes every slot of a wanted function point to its hook. Returns NULL, or why it could not.
const char* install_slots();

// Puts back what was there.
void uninstall_slots();

// To be called when objects may have been loaded or unloaded. True if there were any since the last time.
bool follow_objects();

// Runs `work` while no object can be loaded or unloaded.
void with_loader_locked(void (*work)());

}  // namespace memray::hooks

#pragma GCC visibility pop
