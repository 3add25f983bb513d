#include "query/grouping.h"

#include <cstddef>
#include <unordered_map>

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

Snapshot group_sites(const Definitions& definitions, std::span<const SiteTotal> held, const SnapshotOptions& options) {
  Snapshot snapshot;
  std::unordered_map<Key, std::size_t, KeyHash> groups;
  for (std::uint32_t i = 0; i < held.size(); ++i) {
    const Site& site = definitions.site(SiteId{i});
    const Key key{site.stack, site.native_stack, options.merge_threads ? kMergedThreads : site.thread, site.allocator};
    const auto [entry, fresh] = groups.try_emplace(key, snapshot.groups.size());
    if (fresh) snapshot.groups.push_back({key.stack, key.native_stack, key.thread, key.allocator, 0, 0});
    Group& group = snapshot.groups[entry->second];
    group.bytes += held[i].bytes;
    group.count += held[i].count;
    snapshot.bytes += held[i].bytes;
    snapshot.count += held[i].count;
  }
  std::erase_if(snapshot.groups, [](const Group& group) { return group.count == 0; });
  return snapshot;
}

}  // namespace memray
