// The fp unwinder: follows frame pointers. For programs of which all is compiled with them, and where there is no
// unwind information: in other code it leaves out callers or stops early. The `native` unwinder is exact and hardly
// slower.
//
// A frame pointer points to the pair of the caller's frame pointer and the return address. The chain is followed as
// long as it goes up the stack, in steps that are no larger than a frame may be, over memory that can be read.
#include <memray/unwinder.h>

#include "array.h"
#include "machine.h"

namespace memray::fp {

namespace {

struct Stack {
  std::uint32_t depth;           // words reported
  Array<std::uint64_t> words;    // outermost first
  Array<std::uint64_t> current;  // innermost first
  Memory memory;
};

constexpr Word kLargestFrame = Word{1} << 20;

const memray_unwinder_host* host;

const char* attach(const memray_unwinder_host* offered) {
  if (offered->size < sizeof(memray_unwinder_host)) return "the recorder is older than the fp unwinder";
  host = offered;
  return nullptr;
}

void thread_end(void* state) {
  auto* stack = static_cast<Stack*>(state);
  stack->words.release(*host);
  stack->current.release(*host);
  host->unmap(stack, sizeof *stack);
}

void* thread_begin() {
  auto* stack = static_cast<Stack*>(host->map(sizeof(Stack)));
  if (stack && (!stack->words.grow(*host, 1) || !stack->current.grow(*host, 1))) {
    thread_end(stack);
    return nullptr;
  }
  return stack;
}

void thread_reset(void* state) { static_cast<Stack*>(state)->depth = 0; }

std::uint32_t follow(Stack& stack, Word frame) {
  std::uint32_t count = 0;
  Word pc = 0;
  for (Word above = 0; frame % sizeof(Word) == 0 && stack.memory.read(frame, above) &&
                       stack.memory.read(frame + sizeof(Word), pc) && pc != 0;
       frame = above) {
    if (count == stack.current.capacity && !stack.current.grow(*host, count + 1)) break;
    stack.current[count++] = machine::code_address(pc);
    if (above <= frame || above - frame > kLargestFrame) break;
  }
  return count;
}

void update(void* state, void* frame, memray_stack_change* change) {
  Stack& stack = *static_cast<Stack*>(state);
  stack.memory.distrust();  // any register may look like a frame pointer
  const std::uint32_t count = follow(stack, reinterpret_cast<Word>(frame));
  if (count > stack.words.capacity && !stack.words.grow(*host, count)) {
    stack.depth = 0;
    *change = {0, 0, stack.words.data};
    return;
  }
  std::uint32_t same = 0;
  while (same < count && same < stack.depth && stack.words[same] == stack.current[count - 1 - same]) ++same;
  for (std::uint32_t i = same; i < count; ++i) stack.words[i] = stack.current[count - 1 - i];
  stack.depth = count;
  *change = {same, count - same, stack.words.data + same};
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
    .update = update,
    .objects_changed = nullptr,
};

}  // namespace

}  // namespace memray::fp

MEMRAY_UNWINDER(memray::fp::kUnwinder, "fp", "Native stacks, from frame pointers; for programs compiled with them",
                "0.1.0");
