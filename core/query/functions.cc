// Totals by function. A function that is on a stack several times, because it recurses, is counted there once:
// `counted` remembers the last group that a function was counted for.

#include <memray/query.h>

#include <functional>
#include <unordered_map>
#include <utility>

namespace memray {
namespace {

struct Name {
  std::string_view function;
  std::string_view file;
  friend bool operator==(const Name&, const Name&) = default;
};

struct NameHash {
  std::size_t operator()(const Name& name) const {
    const std::hash<std::string_view> hash;
    return hash(name.function) * 31 + hash(name.file);
  }
};

}  // namespace

std::vector<FunctionTotal> functions(const Capture& capture, const Snapshot& snapshot) {
  std::vector<FunctionTotal> totals;
  std::vector<std::size_t> counted;
  std::unordered_map<Name, std::size_t, NameHash> numbers;

  for (std::size_t i = 0; i < snapshot.groups.size(); ++i) {
    const Group& group = snapshot.groups[i];
    std::vector<DisplayFrame> stack = display_stack(capture, group);
    if (stack.empty()) stack.emplace_back();
    for (std::size_t depth = 0; depth < stack.size(); ++depth) {
      const Name name{stack[depth].function, stack[depth].file};
      const auto [entry, fresh] = numbers.try_emplace(name, totals.size());
      if (fresh) {
        totals.push_back({name.function, name.file, 0, 0, 0});
        counted.push_back(snapshot.groups.size());
      }
      FunctionTotal& total = totals[entry->second];
      if (depth == 0) total.own_bytes += group.bytes;
      if (std::exchange(counted[entry->second], i) == i) continue;
      total.total_bytes += group.bytes;
      total.count += group.count;
    }
  }
  return totals;
}

}  // namespace memray
