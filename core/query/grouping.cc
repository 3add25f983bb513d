#include "query/grouping.h"

#include <bit>
#include <utility>

#include "capture/intern_table.h"

namespace memray {
namespace {

struct Key {
  StackId stack;
  StackId native_stack;
  ThreadId thread;
  Allocator allocator;
  std::uint8_t size_class;
  friend bool operator==(const Key&, const Key&) = default;
};

std::uint64_t hash_of(const Key& key) {
  return mix(std::uint64_t{index(key.stack)} << 32 | index(key.native_stack),
             std::uint64_t{index(key.thread)} << 16 | std::uint64_t{key.size_class} << 8 |
                 static_cast<std::uint64_t>(key.allocator));
}

Key key_of(const Group& group) {
  return {group.stack, group.native_stack, group.thread, group.allocator, group.size_class};
}

Key key_of(const Site& site, const SnapshotOptions& options) {
  Key key{site.stack, site.native_stack, options.merge_threads ? kMergedThreads : site.thread, site.allocator,
          Group::kAnySize};
  if (options.split_sizes)
    key.size_class = site.fixed_size ? static_cast<std::uint8_t>(std::bit_width(site.size) + 1) : Group::kVaryingSizes;
  return key;
}

}  // namespace

SiteGroups groups_of_sites(const Definitions& definitions, const SnapshotOptions& options) {
  SiteGroups result{{}, std::vector<std::uint32_t>(definitions.sites())};
  std::vector<Group>& groups = result.groups;
  InternTable table;
  for (std::uint32_t i = 0; i < definitions.sites(); ++i) {
    const Key key = key_of(definitions.site(SiteId{i}), options);
    const std::uint64_t hash = hash_of(key);
    std::uint32_t number = table.find(hash, [&](std::uint32_t other) { return key_of(groups[other]) == key; });
    if (number == InternTable::kNone) {
      number = static_cast<std::uint32_t>(groups.size());
      groups.push_back({key.stack, key.native_stack, key.thread, key.allocator, 0, 0, key.size_class});
      table.insert(hash, number);
    }
    result.of_site[i] = number;
  }
  return result;
}

Snapshot group_sites(const Definitions& definitions, std::span<const SiteTotal> held, const SnapshotOptions& options) {
  SiteGroups sites = groups_of_sites(definitions, options);
  Snapshot snapshot;
  snapshot.groups = std::move(sites.groups);
  for (std::uint32_t i = 0; i < held.size(); ++i) {
    Group& group = snapshot.groups[sites.of_site[i]];
    group.bytes += held[i].bytes;
    group.count += held[i].count;
    snapshot.bytes += held[i].bytes;
    snapshot.count += held[i].count;
  }
  std::erase_if(snapshot.groups, [](const Group& group) { return group.count == 0; });
  return snapshot;
}

}  // namespace memray
