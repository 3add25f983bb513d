// The `preload` hook backend: symbol interposition. The wrappers have the names of what they replace, so the dynamic
// linker binds everything to them, dlsym finds them, and constructors are seen from the first. Nothing can be undone.
//
// Only a C++ program's own operator new and delete are redirected by patching slots: to export those names would take
// them away from the program.
#include "real.h"
#include "slots.h"
#include "unseen.h"
#include "wrappers.h"

namespace memray::hooks {

namespace {

const char* attach(const memray_recorder* recorder) {
  if (const char* why = examine_program()) return why;
  state.recorder = recorder;
  state.foreign_allocator = allocator_is_foreign();
  exempt_object_of(reinterpret_cast<const void*>(recorder->allocated));
  warn_of_unseen_allocators();
  return nullptr;
}

const char* install() {
  state.recording = state.recorder->recording;
  return install_slots();
}

void uninstall() {}

constexpr memray_hooks kHooks = {sizeof(memray_hooks), 0,       attach, install, uninstall, 1,
                                 allocator_name,       nullptr, nullptr};

}  // namespace

}  // namespace memray::hooks

MEMRAY_HOOKS(memray::hooks::kHooks, "preload", "define malloc, free, mmap, ... ahead of libc (symbol interposition)",
             "0.1.0");
