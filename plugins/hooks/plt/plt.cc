// The `plt` hook backend: patches the slots through which objects call each other. Can be loaded at any time, and
// undone.
#include "real.h"
#include "slots.h"
#include "unseen.h"
#include "wrappers.h"

namespace memray::hooks {

namespace {

const char* why_not = nullptr;

const char* attach(const memray_recorder* recorder) {
  with_loader_locked([] { why_not = examine_program(); });
  if (why_not) return why_not;
  state.recorder = recorder;
  state.foreign_allocator = allocator_is_foreign();
  state.recording = recorder->recording;
  exempt_object_of(reinterpret_cast<const void*>(recorder->allocated));
  warn_of_unseen_allocators();
  return nullptr;
}

constexpr memray_hooks kHooks = {sizeof(memray_hooks), 0,       attach, install_slots, uninstall_slots, 0,
                                 allocator_name,       nullptr, nullptr};

}  // namespace

}  // namespace memray::hooks

MEMRAY_HOOKS(memray::hooks::kHooks, "plt",
             "patch the addresses through which loaded objects call the allocator (GOT/PLT)", "0.1.0");
