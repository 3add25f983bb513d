// Stacks as people read them.

#include <fmt/format.h>
#include <memray/query.h>

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

}  // namespace

std::vector<DisplayFrame> display_stack(const Capture& capture, const Group& group) {
  const Definitions& definitions = capture.definitions();
  std::vector<DisplayFrame> stack;
  for (const FrameId id : definitions.frames_of(group.stack != kNoStack ? group.stack : group.native_stack)) {
    const Frame& frame = definitions.frame(id);
    const std::span<const Location> locations = definitions.locations(id);
    for (const Location& location : locations)
      stack.push_back(
          {definitions.string(location.function), definitions.string(location.file), location.line, frame.kind});
    if (locations.empty()) stack.push_back(without_symbol(definitions, frame));
  }
  return stack;
}

}  // namespace memray
