// A snapshot by one property of what is in it.

#include <fmt/format.h>
#include <memray/query.h>
#include <memray/text.h>

#include <algorithm>
#include <functional>
#include <unordered_map>

#include "query/packages.h"

namespace memray {
namespace {

constexpr std::string_view kNoStackName = "???";

std::string stack_name(const std::vector<DisplayFrame>& stack) {
  if (stack.empty()) return std::string(kNoStackName);
  std::string name;
  for (auto frame = stack.rbegin(); frame != stack.rend(); ++frame) {
    if (!name.empty()) name += ';';
    name += frame->function;
  }
  return name;
}

// The file of machine code that allocated: the innermost native frame's. Python code has none.
std::string library_name(const Definitions& definitions, const Group& group) {
  for (StackId stack = group.native_stack; stack != kNoStack; stack = definitions.stack(stack).parent) {
    const Frame& frame = definitions.frame(definitions.stack(stack).frame);
    if (frame.module != kNoModule) return std::string(definitions.string(definitions.module(frame.module).path));
  }
  return std::string(kNoStackName);
}

std::string size_name(std::uint8_t size_class) {
  if (size_class == Group::kAnySize) return "all sizes";
  if (size_class == Group::kVaryingSizes) return "varying sizes";
  const unsigned bits = size_class - 1u;
  if (bits == 0) return "0B";
  const std::uint64_t first = std::uint64_t{1} << (bits - 1);
  return bits == 1 ? "1B" : fmt::format("{} to {}", size_text(first), size_text(first + (first - 1)));
}

std::string process_name(const Definitions& definitions, const Group& group) {
  if (group.thread == kMergedThreads) return thread_label(definitions, group.thread);
  const Process& process = definitions.process(definitions.thread(group.thread).process);
  return fmt::format("{} {}", process.pid, definitions.string(process.command_line));
}

}  // namespace

// An exec makes another image of the same process.
static bool has_several_processes(const Definitions& definitions) {
  for (std::uint32_t i = 1; i < definitions.processes(); ++i)
    if (definitions.process(ProcessId{i}).pid != definitions.process(ProcessId{0}).pid) return true;
  return false;
}

std::string thread_label(const Definitions& definitions, ThreadId id) {
  if (id == kMergedThreads) return "merged thread";
  const Thread& thread = definitions.thread(id);
  const std::string_view name = definitions.string(thread.name);
  std::string label = fmt::format("Thread {}", thread.number);
  if (!name.empty()) label += fmt::format(" ({})", name);
  if (has_several_processes(definitions))
    label += fmt::format(" of process {}", definitions.process(thread.process).pid);
  return label;
}

std::vector<Bucket> group_by(const Capture& capture, const Snapshot& snapshot, GroupBy property) {
  const Definitions& definitions = capture.definitions();
  const PackageOfStacks packages = property == GroupBy::module ? packages_of_stacks(capture) : PackageOfStacks{};
  const auto name_of = [&](const Group& group) -> std::string {
    const auto innermost = [&] {
      const std::vector<DisplayFrame> stack = display_stack(capture, group);
      return stack.empty() ? DisplayFrame{kNoStackName, {}, 0, FrameKind::python} : stack.front();
    };
    switch (property) {
      case GroupBy::stack:
        return stack_name(display_stack(capture, group));
      case GroupBy::function: {
        const DisplayFrame frame = innermost();
        return fmt::format("{}{}{}", frame.function, frame.file.empty() ? "" : " at ", frame.file);
      }
      case GroupBy::file: {
        const DisplayFrame frame = innermost();
        return std::string(frame.file.empty() ? kNoStackName : frame.file);
      }
      case GroupBy::module:
        return packages.names[packages.of_stack[index(group.stack)]];
      case GroupBy::library:
        return library_name(definitions, group);
      case GroupBy::thread:
        return thread_label(definitions, group.thread);
      case GroupBy::process:
        return process_name(definitions, group);
      case GroupBy::allocator:
        return std::string(name(group.allocator));
      case GroupBy::size:
        return size_name(group.size_class);
    }
    return {};
  };

  std::vector<Bucket> buckets;
  std::unordered_map<std::string, std::size_t> numbers;
  for (const Group& group : snapshot.groups) {
    const std::string name = name_of(group);
    const auto [entry, fresh] = numbers.try_emplace(name, buckets.size());
    if (fresh) buckets.push_back({name, 0, 0});
    buckets[entry->second].bytes += group.bytes;
    buckets[entry->second].count += group.count;
  }
  std::ranges::stable_sort(buckets, std::greater<>(), &Bucket::bytes);
  return buckets;
}

}  // namespace memray
