// No stacks: every allocation is recorded, none says where it comes from. The cheapest recording there is.
#include <memray/unwinder.h>

namespace {

char only_state;

const char* attach(const memray_unwinder_host*) { return nullptr; }
void* thread_begin() { return &only_state; }
void thread_reset(void*) {}
void thread_end(void*) {}
void update(void*, void*, memray_stack_change* change) { *change = {}; }

constexpr memray_unwinder kUnwinder = {
    .size = sizeof(memray_unwinder),
    .kind = MEMRAY_STACK_PYTHON,
    .attach = attach,
    .start_with_program = nullptr,
    .recording_changed = nullptr,
    .thread_begin = thread_begin,
    .thread_reset = thread_reset,
    .thread_end = thread_end,
    .update = update,
    .objects_changed = nullptr,
};

}  // namespace

MEMRAY_UNWINDER(kUnwinder, "none", "No stacks, only sizes and counts", "0.1.0");
