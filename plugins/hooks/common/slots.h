// Redirecting functions by changing the words ("slots") that hold their addresses, in all objects of the program.
#pragma once

#include <cstddef>

#pragma GCC visibility push(hidden)

namespace memray::hooks {

struct Redirection {
  const char* name;  // of the function
  void* real;        // where it is; null: nowhere, so its slots stay as they are
  void* hook;
  bool in_its_own_object;  // calls that the function's own object makes are redirected too
};

// Called at attach, and again when a function may be somewhere else than it was. `list` stays where it is.
void redirect(const Redirection* list, std::size_t count);

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
