// Which file an address of a process belonged to, and when.
//
// Libraries come and go, and what one leaves another may take. The recorder tells the whole list with the moment at
// which it held; the lists are kept in that order until the events have passed them. An address is looked up in the
// list that held when it was recorded, or, where that does not have it, in the next one that does: constructors of a
// library run before the loader's caller, and so the recorder, knows that it is there.
#pragma once

#include <memray/definitions.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace memray::collector {

// What the timelines of all images share.
struct ModuleSetting {
  std::vector<std::string> own_files;          // what memray brought into the program
  std::function<void(ModuleId)> first_mapped;  // called once for each module
};

class ModuleTimeline {
 public:
  ModuleTimeline(ProcessId process, Definitions& definitions, const ModuleSetting& setting)
      : process_(process), definitions_(&definitions), setting_(&setting) {}

  // A list as the recorder sends it. A malformed rest is ignored.
  void add(std::span<const std::byte> list);

  // Goes on to the list that held at `stamp`. Returns whether that is another than before.
  bool steady() const { return next_ == kNever; }
  bool advance(std::uint64_t stamp) { return stamp >= next_ && go_on(stamp); }

  struct Place {
    ModuleId module = kNoModule;
    bool own = false;  // memray's code, which no stack shows and no list has
  };
  Place find(std::uint64_t address) const;

  bool empty() const { return lists_.empty(); }

 private:
  struct Segment {
    std::uint64_t start;
    std::uint64_t end;
    Place place;
  };
  struct List {
    std::uint64_t stamp = 0;
    std::vector<Segment> segments;  // by address
  };
  bool go_on(std::uint64_t stamp);
  static constexpr std::uint64_t kNever = ~std::uint64_t{0};
  void note_next() { next_ = lists_.size() > 1 ? lists_[1].stamp : kNever; }
  Place place_of(std::uint64_t start, std::uint64_t end, std::uint64_t offset, std::string_view build_id,
                 std::string_view name, std::string_view program, std::string_view folder);

  ProcessId process_;
  Definitions* definitions_;
  const ModuleSetting* setting_;
  std::uint64_t next_ = kNever;  // when the list after the first begins to hold
  std::deque<List> lists_;       // by stamp; all but the first are yet to come
  std::unordered_map<std::string, Place> known_;
};

}  // namespace memray::collector
