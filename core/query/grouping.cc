#include "query/grouping.h"

#include <map>
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
  if (options.split_sizes) key.size_class = site.fixed_size ? size_class(site.size) : Group::kVaryingSizes;
  return key;
}

// The groups there are, each found by its key.
class Groups {
 public:
  std::uint32_t number(const Key& key) {
    const std::uint64_t hash = hash_of(key);
    std::uint32_t number = table_.find(hash, [&](std::uint32_t other) { return key_of(groups_[other]) == key; });
    if (number != InternTable::kNone) return number;
    number = static_cast<std::uint32_t>(groups_.size());
    groups_.push_back({key.stack, key.native_stack, key.thread, key.allocator, 0, 0, key.size_class});
    table_.insert(hash, number);
    return number;
  }

  std::vector<std::uint32_t> numbers_of_sites(const Definitions& definitions, const SnapshotOptions& options) {
    std::vector<std::uint32_t> numbers(definitions.sites());
    for (std::uint32_t i = 0; i < numbers.size(); ++i)
      numbers[i] = number(key_of(definitions.site(SiteId{i}), options));
    return numbers;
  }

  Group& operator[](std::uint32_t number) { return groups_[number]; }
  std::vector<Group> take() && { return std::move(groups_); }

 private:
  std::vector<Group> groups_;
  InternTable table_;
};

// From the group of varying sizes that their site has to one of each class.
void split_varying(Groups& groups, std::span<const std::uint32_t> group_of_site, const Definitions& definitions,
                   const SnapshotOptions& options, const ClassTotals& classes) {
  std::map<std::pair<std::uint32_t, std::uint8_t>, SiteTotal> in_order;
  classes.for_each([&](std::uint32_t site, std::uint8_t size_class, const SiteTotal& total) {
    in_order[{site, size_class}] = total;
  });
  for (const auto& [where, total] : in_order) {
    const auto [site, size_class] = where;
    Group& varying = groups[group_of_site[site]];
    varying.bytes -= total.bytes;
    varying.count -= total.count;
    Key key = key_of(definitions.site(SiteId{site}), options);
    key.size_class = size_class;
    Group& group = groups[groups.number(key)];
    group.bytes += total.bytes;
    group.count += total.count;
  }
}

}  // namespace

SiteGroups groups_of_sites(const Definitions& definitions, const SnapshotOptions& options) {
  Groups groups;
  std::vector<std::uint32_t> of_site = groups.numbers_of_sites(definitions, options);
  return {std::move(groups).take(), std::move(of_site)};
}

Snapshot group_sites(const Definitions& definitions, std::span<const SiteTotal> held, const SnapshotOptions& options,
                     const ClassTotals& classes) {
  Groups groups;
  const std::vector<std::uint32_t> of_site = groups.numbers_of_sites(definitions, options);
  Snapshot snapshot;
  for (std::uint32_t i = 0; i < held.size(); ++i) {
    Group& group = groups[of_site[i]];
    group.bytes += held[i].bytes;
    group.count += held[i].count;
    snapshot.bytes += held[i].bytes;
    snapshot.count += held[i].count;
  }
  if (options.split_sizes) split_varying(groups, of_site, definitions, options, classes);
  snapshot.groups = std::move(groups).take();
  std::erase_if(snapshot.groups, [](const Group& group) { return group.count == 0; });
  return snapshot;
}

}  // namespace memray
