// What every group held at the highest moment of every slot.
//
// The highest moment of a slot is known only when the slot is over, and copying all groups at every new height would
// never end. So a height is only numbered: a group that changes for the first time since the latest height keeps a copy
// of what it held then, and one that has no copy still holds it. At the end of a slot only groups that changed in it,
// or in the one before, can differ from what they were said to hold.

#include <algorithm>
#include <utility>

#include "capture/live_sites.h"
#include "capture/number_map.h"
#include "query/temporal_passes.h"

namespace memray {
namespace {

struct Held {
  std::uint64_t bytes = 0;
  std::uint64_t count = 0;
  friend bool operator==(const Held&, const Held&) = default;
};

struct GroupState {
  Held now;
  Held at_height;            // where `height` is the latest one
  std::uint64_t height = 0;  // number of the height that the copy is of
  Held told;                 // in the interval that is open
  std::uint32_t told_since = 0;
  std::uint32_t changed_in = 0xffff'ffff;  // slot
};

class HighWater {
 public:
  HighWater(const Definitions& definitions, std::span<const std::uint32_t> group_of_site, Temporal& temporal)
      : definitions_(definitions),
        group_of_site_(group_of_site),
        temporal_(temporal),
        clock_(temporal.slots),
        groups_(temporal.groups.size()),
        sites_(definitions.sites()) {
    temporal_.high_water.push_back(0);
  }

  void add(const Event& event) {
    while (clock_.advance(event.time)) next_slot();
    switch (event.kind) {
      case Event::Kind::allocation:
        change(event.site, event.size, 1);
        break;
      case Event::Kind::deallocation:
        change(event.site, -event.size, -pieces_of(event.number));
        break;
      case Event::Kind::partial_deallocation: {
        const std::uint64_t before = std::exchange(pieces_[event.number], event.pieces);
        change(event.site, -event.size, event.pieces - std::max<std::uint64_t>(before, 1));
        break;
      }
      case Event::Kind::process_exec:
      case Event::Kind::process_exit:
        process_ends(event.index);
        break;
      case Event::Kind::unknown_deallocation:
        break;
    }
    if (bytes_ >= temporal_.high_water.back()) height_reached();
  }

  void finish() {
    while (temporal_.high_water.size() <= temporal_.slots.size()) next_slot();
    tell_slot();
    for (std::size_t i = 0; i < groups_.size(); ++i) tell(i, std::nullopt);
  }

 private:
  std::uint32_t slot() const { return static_cast<std::uint32_t>(temporal_.high_water.size() - 1); }

  void height_reached() {
    temporal_.high_water.back() = bytes_;
    ++height_;
  }

  void next_slot() {
    tell_slot();
    temporal_.high_water.push_back(bytes_);
    ++height_;
  }

  void tell_slot() {
    for (const std::uint32_t number : changed_before_) tell_at_height(number);
    for (const std::uint32_t number : changed_) tell_at_height(number);
    std::swap(changed_before_, changed_);
    changed_.clear();
  }

  void tell_at_height(std::uint32_t number) {
    GroupState& group = groups_[number];
    const Held held = group.height == height_ ? group.at_height : group.now;
    if (held == group.told) return;
    tell(number, slot());
    group.told = held;
    group.told_since = slot();
  }

  // Ends the open interval.
  void tell(std::size_t number, std::optional<std::uint32_t> end) {
    const GroupState& group = groups_[number];
    if (group.told == Held{}) return;
    temporal_.groups[number].intervals.push_back(
        {group.told_since, end, static_cast<std::int64_t>(group.told.count), group.told.bytes});
  }

  // Negative numbers wrap around.
  void change(SiteId site, std::uint64_t bytes, std::uint64_t count) {
    const std::uint32_t number = group_of_site_[index(site)];
    GroupState& group = groups_[number];
    if (group.height != height_) group.at_height = group.now;
    group.height = height_;
    if (std::exchange(group.changed_in, slot()) != slot()) changed_.push_back(number);
    group.now.bytes += bytes;
    group.now.count += count;
    sites_[index(site)].bytes += bytes;
    sites_[index(site)].count += count;
    bytes_ += bytes;
  }

  std::uint64_t pieces_of(std::uint64_t number) {
    if (pieces_.size() == 0) return 1;
    const std::uint64_t* const pieces = pieces_.find(number);
    const std::uint64_t count = pieces != nullptr ? *pieces : 1;
    if (pieces != nullptr) pieces_.erase(number);
    return count;
  }

  void process_ends(std::uint32_t process) {
    for (std::uint32_t i = 0; i < sites_.size(); ++i) {
      const ThreadId thread = definitions_.site(SiteId{i}).thread;
      if (thread == kMergedThreads || index(definitions_.thread(thread).process) != process) continue;
      if (sites_[i].count != 0) change(SiteId{i}, -sites_[i].bytes, -sites_[i].count);
    }
  }

  const Definitions& definitions_;
  std::span<const std::uint32_t> group_of_site_;
  Temporal& temporal_;
  SlotClock clock_;
  std::uint64_t bytes_ = 0;
  std::uint64_t height_ = 1;
  std::vector<GroupState> groups_;
  std::vector<SiteTotal> sites_;
  NumberMap<std::uint64_t> pieces_;  // of mappings that were cut
  std::vector<std::uint32_t> changed_, changed_before_;
};

}  // namespace

void add_high_water(const Capture& capture, std::span<const std::uint32_t> group_of_site, Temporal& temporal) {
  HighWater high_water(capture.definitions(), group_of_site, temporal);
  capture.events(Columns::time, [&](std::span<const Event> events) {
    for (const Event& event : events) high_water.add(event);
    return true;
  });
  high_water.finish();
}

}  // namespace memray
