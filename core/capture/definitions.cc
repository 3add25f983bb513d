// The tables behind Definitions. `add_stack` and `find_site` are asked about once an event, so every table that has to
// recognise equal entries is an InternTable over a plain array: one or two cache lines a call, about 5 ns warm.
#include <memray/definitions.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <unordered_map>

#include "capture/intern_table.h"

namespace memray {
namespace {

constexpr std::size_t kLongestString = std::size_t{1} << 20;
constexpr std::size_t kArenaChunk = std::size_t{1} << 16;

std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = text.size();
  std::uint64_t word = 0;
  while (text.size() >= 8) {
    std::memcpy(&word, text.data(), 8);
    hash = mix(hash, word);
    text.remove_prefix(8);
  }
  word = 0;
  if (!text.empty()) std::memcpy(&word, text.data(), text.size());
  return mix(hash, word);
}

std::uint64_t pair_of(std::uint32_t high, std::uint32_t low) { return static_cast<std::uint64_t>(high) << 32 | low; }

std::uint64_t hash_of(const Frame& f) {
  const std::uint64_t what = static_cast<std::uint64_t>(f.kind) << 33 | static_cast<std::uint64_t>(f.entry) << 32;
  return mix(mix(mix(f.address, what | index(f.module)), pair_of(index(f.location.function), index(f.location.file))),
             f.location.line);
}

std::uint64_t hash_of(const Stack& s) { return mix(pair_of(index(s.parent), index(s.frame))); }

std::uint64_t hash_of(const Site& s) {
  const std::uint64_t what = static_cast<std::uint64_t>(s.allocator) << 33 | static_cast<std::uint64_t>(s.fixed_size)
                                                                                 << 32;
  return mix(
      mix(pair_of(index(s.stack), index(s.native_stack)) ^ s.size * 0xff51'afd7'ed55'8ccdu, what | index(s.thread)));
}

// An array of distinct values and the way back from a value to its place.
template <typename Value>
struct Interned {
  std::vector<Value> values;
  InternTable table;
  std::size_t in_table = 0;  // of the values: the first ones

  // Before anything is looked for, where values were appended without a hash.
  void catch_up() {
    for (; in_table < values.size(); ++in_table)
      table.insert(hash_of(values[in_table]), static_cast<std::uint32_t>(in_table));
  }

  template <typename Equal>
  std::uint32_t find(std::uint64_t hash, Equal equal) const {
    return table.find(hash, [&](std::uint32_t number) { return equal(values[number]); });
  }
  std::uint32_t append(std::uint64_t hash, const Value& value) {
    const auto number = static_cast<std::uint32_t>(values.size());
    values.push_back(value);
    table.insert(hash, number);
    ++in_table;
    return number;
  }
  std::uint32_t add(const Value& value) {
    const std::uint64_t hash = hash_of(value);
    const std::uint32_t found = find(hash, [&](const Value& other) { return other == value; });
    return found != InternTable::kNone ? found : append(hash, value);
  }
};

// No character of UTF-8 is cut in two.
std::string_view cut(std::string_view text, std::size_t length) {
  if (text.size() <= length) return text;
  while (length > 0 && (static_cast<unsigned char>(text[length]) & 0xc0) == 0x80) --length;
  return text.substr(0, length);
}

}  // namespace

struct Definitions::Tables {
  Interned<std::string_view> strings;
  Interned<Frame> frames;
  Interned<Stack> stacks;
  Interned<Site> sites;
  std::vector<Thread> threads;
  std::vector<NameChange> name_changes;
  std::vector<Process> processes;
  std::vector<Module> modules;

  struct Range {
    std::size_t first = 0;
    std::size_t count = 0;
  };
  std::unordered_map<std::uint32_t, Range> located;
  std::vector<FrameId> located_order;
  std::vector<Location> locations;

  std::vector<std::unique_ptr<char[]>> arena;
  std::size_t arena_used = kArenaChunk;

  std::string_view store(std::string_view text) {
    if (text.empty()) return {};
    if (text.size() > kArenaChunk / 4) {
      arena.insert(arena.begin(), std::make_unique_for_overwrite<char[]>(text.size()));
      std::memcpy(arena.front().get(), text.data(), text.size());
      return {arena.front().get(), text.size()};
    }
    if (arena_used + text.size() > kArenaChunk) {
      arena.push_back(std::make_unique_for_overwrite<char[]>(kArenaChunk));
      arena_used = 0;
    }
    char* const at = arena.back().get() + arena_used;
    std::memcpy(at, text.data(), text.size());
    arena_used += text.size();
    return {at, text.size()};
  }
};

Definitions::Definitions() : tables_(std::make_unique<Tables>()) {
  add_string("");
  tables_->stacks.append(hash_of(Stack{}), Stack{});
}
Definitions::~Definitions() = default;
Definitions::Definitions(Definitions&&) noexcept = default;
Definitions& Definitions::operator=(Definitions&&) noexcept = default;

StringId Definitions::add_string(std::string_view text) {
  text = cut(text, kLongestString);
  auto& strings = tables_->strings;
  const std::uint64_t hash = hash_of(text);
  const std::uint32_t found = strings.find(hash, [&](std::string_view other) { return other == text; });
  return StringId{found != InternTable::kNone ? found : strings.append(hash, tables_->store(text))};
}

FrameId Definitions::add_frame(const Frame& frame) { return FrameId{tables_->frames.add(frame)}; }

StackId Definitions::add_stack(StackId parent, FrameId frame) {
  auto& stacks = tables_->stacks;
  if (stacks.in_table != stacks.values.size()) stacks.catch_up();
  const Stack stack{parent, frame, stacks.values[index(parent)].depth + 1};
  const std::uint64_t hash = hash_of(stack);
  // The empty stack has depth 0 and so is never taken for a child of itself.
  const std::uint32_t found = stacks.find(hash, [&](const Stack& other) {
    return other.parent == stack.parent && other.frame == stack.frame && other.depth == stack.depth;
  });
  return StackId{found != InternTable::kNone ? found : stacks.append(hash, stack)};
}

StackId Definitions::append_stack(StackId parent, FrameId frame) {
  std::vector<Stack>& stacks = tables_->stacks.values;
  stacks.push_back({parent, frame, stacks[index(parent)].depth + 1});
  return StackId{static_cast<std::uint32_t>(stacks.size() - 1)};
}

SiteId Definitions::add_site(const Site& site) { return SiteId{tables_->sites.add(site)}; }

std::optional<SiteId> Definitions::find_site(const Site& site) const {
  const std::uint32_t found = tables_->sites.find(hash_of(site), [&](const Site& other) { return other == site; });
  if (found == InternTable::kNone) return std::nullopt;
  return SiteId{found};
}

ThreadId Definitions::add_thread(const Thread& thread) {
  tables_->threads.push_back(thread);
  return ThreadId{static_cast<std::uint32_t>(tables_->threads.size() - 1)};
}

ProcessId Definitions::add_process(const Process& process) {
  tables_->processes.push_back(process);
  return ProcessId{static_cast<std::uint32_t>(tables_->processes.size() - 1)};
}

ModuleId Definitions::add_module(const Module& module) {
  tables_->modules.push_back(module);
  return ModuleId{static_cast<std::uint32_t>(tables_->modules.size() - 1)};
}

void Definitions::rename_thread(ThreadId thread, StringId name) { tables_->threads[index(thread)].name = name; }

void Definitions::add_name_change(const NameChange& change) { tables_->name_changes.push_back(change); }

void Definitions::set_locations(FrameId frame, std::span<const Location> locations) {
  Tables& t = *tables_;
  t.located[index(frame)] = {t.locations.size(), locations.size()};
  t.located_order.push_back(frame);
  t.locations.insert(t.locations.end(), locations.begin(), locations.end());
}

std::string_view Definitions::string(StringId id) const { return tables_->strings.values[index(id)]; }
const Frame& Definitions::frame(FrameId id) const { return tables_->frames.values[index(id)]; }
const Stack& Definitions::stack(StackId id) const { return tables_->stacks.values[index(id)]; }
const Site& Definitions::site(SiteId id) const { return tables_->sites.values[index(id)]; }
const Thread& Definitions::thread(ThreadId id) const { return tables_->threads[index(id)]; }
const Process& Definitions::process(ProcessId id) const { return tables_->processes[index(id)]; }
const Module& Definitions::module(ModuleId id) const { return tables_->modules[index(id)]; }

std::span<const Location> Definitions::locations(FrameId id) const {
  const Frame& f = frame(id);
  if (f.kind == FrameKind::python) return {&f.location, 1};
  const auto found = tables_->located.find(index(id));
  if (found == tables_->located.end()) return {};
  return std::span(tables_->locations).subspan(found->second.first, found->second.count);
}

std::span<const NameChange> Definitions::name_changes() const { return tables_->name_changes; }

std::span<const FrameId> Definitions::located_frames() const { return tables_->located_order; }

std::size_t Definitions::strings() const { return tables_->strings.values.size(); }
std::size_t Definitions::frames() const { return tables_->frames.values.size(); }
std::size_t Definitions::stacks() const { return tables_->stacks.values.size(); }
std::size_t Definitions::sites() const { return tables_->sites.values.size(); }
std::size_t Definitions::threads() const { return tables_->threads.size(); }
std::size_t Definitions::processes() const { return tables_->processes.size(); }
std::size_t Definitions::modules() const { return tables_->modules.size(); }

std::vector<FrameId> Definitions::frames_of(StackId id) const {
  std::vector<FrameId> result;
  result.reserve(stack(id).depth);
  for (; id != kNoStack; id = stack(id).parent) result.push_back(stack(id).frame);
  return result;
}

}  // namespace memray
