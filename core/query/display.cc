// Stacks as people read them.

#include <fmt/format.h>
#include <memray/query.h>

#include <algorithm>
#include <mutex>
#include <string>
#include <unordered_set>
#include <utility>

namespace memray {
namespace {

// Names made up for frames without a symbol. A DisplayFrame points at its texts, and these belong to no capture: they
// are kept, once each, for the life of the process.
std::string_view keep(std::string text) {
  static std::mutex mutex;
  static std::unordered_set<std::string> kept;
  const std::lock_guard lock(mutex);
  return *kept.insert(std::move(text)).first;
}

DisplayFrame without_symbol(const Definitions& definitions, const Frame& frame) {
  if (frame.module == kNoModule) return {keep(fmt::format("{:#x}", frame.address)), {}, 0, FrameKind::native};
  const Module& module = definitions.module(frame.module);
  const std::string_view path = definitions.string(module.path);
  const std::string_view name = path.substr(path.rfind('/') + 1);
  const std::uint64_t offset = frame.address - module.start + module.file_offset;
  return {keep(fmt::format("{}+{:#x}", name, offset)), path, 0, FrameKind::native};
}

void add(std::vector<DisplayFrame>& stack, const Definitions& definitions, FrameId id) {
  const Frame& frame = definitions.frame(id);
  const std::span<const Location> locations = definitions.locations(id);
  for (const Location& location : locations)
    stack.push_back(
        {definitions.string(location.function), definitions.string(location.file), location.line, frame.kind});
  if (locations.empty()) stack.push_back(without_symbol(definitions, frame));
}

// Whether the frame is CPython's interpreter loop, which runs Python functions. Builds that make each instruction a
// function call these _TAIL_CALL_...
bool is_evaluator(const Definitions& definitions, FrameId id) {
  const auto locations = definitions.locations(id);
  return std::ranges::any_of(locations, [&](const Location& location) {
    const std::string_view function = definitions.string(location.function);
    return function.find("_PyEval_EvalFrameDefault") != function.npos || function.starts_with("_TAIL_CALL_");
  });
}

// Python and C functions in the order in which they called each other. From the outermost frame on, each run of the
// interpreter loop stands for the Python functions that it ran: the first is marked as entry, the next ones up to the
// following entry ran in the same loop. A loop without a Python function has just begun, and stays what it is. Empty if
// the two stacks do not fit together: there are more Python functions than loops (the interpreter has no symbols).
std::vector<FrameId> interleave(const Definitions& definitions, StackId python_stack, StackId native_stack) {
  std::vector<FrameId> python = definitions.frames_of(python_stack);  // the outermost is last
  std::vector<FrameId> native = definitions.frames_of(native_stack);
  std::vector<FrameId> result;  // outermost first
  for (; !native.empty(); native.pop_back()) {
    if (python.empty() || !is_evaluator(definitions, native.back())) {
      result.push_back(native.back());
      continue;
    }
    do {
      result.push_back(python.back());
      python.pop_back();
    } while (!python.empty() && !definitions.frame(python.back()).entry);
  }
  if (!python.empty()) return {};
  std::ranges::reverse(result);
  return result;
}

// Leaves out what is outside of the outermost Python frame that is to be seen.
void cut_outside_entry(const Capture& capture, StackId python_stack, std::vector<FrameId>& frames) {
  const std::size_t outside = frames_outside_entry(capture, python_stack);
  if (outside == 0) return;
  const Definitions& definitions = capture.definitions();
  std::size_t wanted = definitions.stack(python_stack).depth - outside;
  const auto end = std::ranges::find_if(
      frames, [&](FrameId id) { return definitions.frame(id).kind == FrameKind::python && --wanted == 0; });
  if (end != frames.end()) frames.erase(end + 1, frames.end());
}

// Before they have names.
void find_frames(const Capture& capture, const Group& group, std::vector<FrameId>& frames) {
  const Definitions& definitions = capture.definitions();
  frames.clear();
  if (group.stack != kNoStack && group.native_stack != kNoStack)
    frames = interleave(definitions, group.stack, group.native_stack);
  if (frames.empty()) {
    StackId stack = group.stack != kNoStack ? group.stack : group.native_stack;
    for (; stack != kNoStack; stack = definitions.stack(stack).parent) frames.push_back(definitions.stack(stack).frame);
  }
  cut_outside_entry(capture, group.stack, frames);
}

}  // namespace

std::vector<DisplayFrame> display_stack(const Capture& capture, const Group& group) {
  std::vector<FrameId> frames;
  find_frames(capture, group, frames);
  std::vector<DisplayFrame> stack;
  for (const FrameId id : frames) add(stack, capture.definitions(), id);
  return stack;
}

DisplayStacks::DisplayStacks(const Capture& capture) : capture_(capture), of_frame_(capture.definitions().frames()) {}

std::span<const std::uint32_t> DisplayStacks::of(const Group& group) {
  find_frames(capture_, group, stack_);
  numbers_.clear();
  for (const FrameId id : stack_) {
    Range& range = of_frame_[index(id)];
    if (range.begin == range.end) {  // a frame has at least one
      range.begin = static_cast<std::uint32_t>(frames_.size());
      add(frames_, capture_.definitions(), id);
      range.end = static_cast<std::uint32_t>(frames_.size());
    }
    for (std::uint32_t number = range.begin; number < range.end; ++number) numbers_.push_back(number);
  }
  return numbers_;
}

}  // namespace memray
