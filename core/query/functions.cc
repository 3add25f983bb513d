// Totals by function. A function that is on a stack several times, because it recurses, is counted there once:
// it remembers the last group that a function was counted for.

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

// The totals, and which function each frame belongs to.
class FunctionTotals {
 public:
  explicit FunctionTotals(const DisplayStacks& stacks) : stacks_(stacks) {}

  std::uint32_t function_of(std::uint32_t frame) {
    if (frame >= of_frame_.size()) of_frame_.resize(stacks_.frames(), kUnknown);
    if (of_frame_[frame] == kUnknown) of_frame_[frame] = function({stacks_[frame].function, stacks_[frame].file});
    return of_frame_[frame];
  }

  std::uint32_t function(const Name& name) {
    const auto [entry, fresh] = numbers_.try_emplace(name, static_cast<std::uint32_t>(totals_.size()));
    if (fresh) {
      totals_.push_back({name.function, name.file, 0, 0, 0});
      counted_.push_back(kUnknown);
    }
    return entry->second;
  }

  void count(std::uint32_t function, const Group& group, std::size_t number) {
    if (std::exchange(counted_[function], number) == number) return;
    totals_[function].total_bytes += group.bytes;
    totals_[function].count += group.count;
  }

  FunctionTotal& operator[](std::uint32_t function) { return totals_[function]; }
  std::vector<FunctionTotal> take() && { return std::move(totals_); }

 private:
  static constexpr std::uint32_t kUnknown = 0xffff'ffff;

  const DisplayStacks& stacks_;
  std::vector<std::uint32_t> of_frame_;
  std::unordered_map<Name, std::uint32_t, NameHash> numbers_;
  std::vector<FunctionTotal> totals_;
  std::vector<std::size_t> counted_;  // by function: the group
};

}  // namespace

std::vector<FunctionTotal> functions(const Capture& capture, const Snapshot& snapshot) {
  DisplayStacks stacks(capture);
  FunctionTotals totals(stacks);
  std::vector<std::uint32_t> on_stack;
  for (std::size_t i = 0; i < snapshot.groups.size(); ++i) {
    const Group& group = snapshot.groups[i];
    on_stack.clear();
    for (const std::uint32_t frame : stacks.of(group)) on_stack.push_back(totals.function_of(frame));
    if (on_stack.empty()) on_stack.push_back(totals.function({}));
    totals[on_stack.front()].own_bytes += group.bytes;
    for (const std::uint32_t function : on_stack) totals.count(function, group, i);
  }
  return std::move(totals).take();
}

}  // namespace memray
