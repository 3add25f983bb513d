#include "query/grouping.h"

#include <cstddef>

namespace memray {
namespace {

struct Key {
  StackId stack;
  StackId native_stack;
  ThreadId thread;
  Allocator allocator;
  friend bool operator==(const Key&, const Key&) = default;
};

struct KeyHash {
  std::size_t operator()(const Key& key) const {
    constexpr std::uint64_t kMix = 0x9e3779b97f4a7c15;
    std::uint64_t hash = (std::uint64_t{index(key.stack)} << 32 | index(key.native_stack)) * kMix;
    hash ^= hash >> 29;
    hash = (hash ^ (std::uint64_t{index(key.thread)} << 8) ^ static_cast<std::uint64_t>(key.allocator)) * kMix;
    return hash ^ hash >> 32;
  }
};

}  // namespace

Roster::Roster(const Definitions& definitions)
    : definitions_(definitions), seen_(definitions.sites()), by_process_(definitions.processes()) {}

void Roster::add(SiteId site) {
  seen_[index(site)] = 1;
  order_.push_back(site);
  const ProcessId process = definitions_.thread(definitions_.site(site).thread).process;
  by_process_[index(process)].push_back(site);
}

std::span<const SiteId> Roster::of_process(std::uint32_t process) const {
  if (process >= by_process_.size()) return {};
  return by_process_[process];
}

std::uint64_t Pieces::change(const Event& partial) {
  const std::uint64_t before = left(partial);
  if (partial.pieces != 1) cut_[partial.number] = partial.pieces;
  return partial.pieces - before;
}

std::uint64_t Pieces::take(std::uint64_t number) {
  const auto found = cut_.find(number);
  if (found == cut_.end()) return 1;
  const std::uint64_t pieces = found->second;
  cut_.erase(found);
  return pieces;
}

Snapshot group_sites(const Definitions& definitions, std::span<const SiteId> order, std::span<const Holding> held,
                     const SnapshotOptions& options) {
  Snapshot snapshot;
  std::unordered_map<Key, std::size_t, KeyHash> groups;
  for (const SiteId id : order) {
    const Site& site = definitions.site(id);
    const Key key{site.stack, site.native_stack, options.merge_threads ? kMergedThreads : site.thread, site.allocator};
    const auto [entry, fresh] = groups.try_emplace(key, snapshot.groups.size());
    if (fresh) snapshot.groups.push_back({key.stack, key.native_stack, key.thread, key.allocator, 0, 0});
    Group& group = snapshot.groups[entry->second];
    group.bytes += held[index(id)].bytes;
    group.count += held[index(id)].count;
    snapshot.bytes += held[index(id)].bytes;
    snapshot.count += held[index(id)].count;
  }
  std::erase_if(snapshot.groups, [](const Group& group) { return group.count == 0 && group.bytes == 0; });
  return snapshot;
}

}  // namespace memray
