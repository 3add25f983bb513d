// A program that records itself enters the recording in some frame, and what called that frame is in every stack below
// it: the interpreter's start, a test runner, a notebook's kernel. Nobody wants to see it. How many outer frames to
// hide cannot be a number, as the frame that entered may return while recording goes on. But the frames outside it
// cannot move on as long as it has not returned: a stack still stands on it if those are the same, line by line, and
// the frame in its place is of the same function.

#include <memray/query.h>

namespace memray {

std::size_t frames_outside_entry(const Capture& capture, StackId stack) {
  const Definitions& definitions = capture.definitions();
  const StackId entry = capture.metadata().entry_stack;
  if (entry == kNoStack || index(entry) >= definitions.stacks()) return 0;
  const Stack& entered = definitions.stack(entry);
  if (entered.depth < 2) return 0;
  while (definitions.stack(stack).depth > entered.depth) stack = definitions.stack(stack).parent;
  const Stack& candidate = definitions.stack(stack);
  if (candidate.depth != entered.depth || candidate.parent != entered.parent) return 0;
  const Location& here = definitions.frame(candidate.frame).location;
  const Location& there = definitions.frame(entered.frame).location;
  return here.function == there.function && here.file == there.file ? entered.depth - 1 : 0;
}

}  // namespace memray
