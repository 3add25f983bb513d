// The native unwinder: the return addresses on the stack, exactly as unwinding would find them, without unwinding.
//
//   walk.cc               the stack at an allocation: the hot path
//   rule.cc               one frame's rule, in a word
//   rule_cache.h          rules by address
//   step.cc               one frame exactly, with all registers
//   frame_rules.cc        call frame information of one address
//   frame_description.cc  finding it in .eh_frame
//   expression.cc         DWARF expressions
//   objects.cc            finding the object of an address
#include <memray/unwinder.h>

#include "objects.h"
#include "walk.h"

namespace memray::native {

namespace {

const char* attach(const memray_unwinder_host* host) {
  if (host->size < sizeof(memray_unwinder_host)) return "the recorder is older than the native unwinder";
  return begin_walking(*host) ? nullptr : "there is no memory for the native unwinder";
}

void* thread_begin() { return new_stack(); }
void thread_reset(void* state) { forget(*static_cast<Stack*>(state)); }
void thread_end(void* state) { delete_stack(*static_cast<Stack*>(state)); }
void update_stack(void* state, void* frame, memray_stack_change* change) {
  update(*static_cast<Stack*>(state), reinterpret_cast<Word>(frame), *change);
}

constexpr memray_unwinder kUnwinder = {
    .size = sizeof(memray_unwinder),
    .kind = MEMRAY_STACK_NATIVE,
    .attach = attach,
    .start_with_program = nullptr,
    .recording_changed = nullptr,
    .thread_begin = thread_begin,
    .thread_reset = thread_reset,
    .thread_end = thread_end,
    .update = update_stack,
    .objects_changed = look_at_objects,
};

}  // namespace

}  // namespace memray::native

MEMRAY_UNWINDER(memray::native::kUnwinder, "native", "Native stacks, from unwind information (.eh_frame)", "0.1.0");
