// Allocations that are gone again at once. "At once" is counted in allocations of the same thread, so it does not
// depend on how fast the machine is: each thread numbers its allocations, and the free of one whose number is at most
// `threshold` behind the thread's latest makes it temporary.

#include <memray/query.h>

#include <limits>
#include <vector>

#include "capture/number_window.h"
#include "query/grouping.h"
#include "query/moment.h"

namespace memray {
namespace {

struct Made {
  static constexpr std::uint32_t kGone = 0xffff'ffff;
  static constexpr std::uint32_t kCut = 0xffff'fffe;  // a mapping that was unmapped in part

  std::uint64_t turn = 0;
  std::uint32_t thread = kGone;

  friend bool is_gone(const Made& made) { return made.thread == kGone; }
  friend void mark_gone(Made& made) { made.thread = kGone; }
};

class Temporaries {
 public:
  // Counts those made since `first`; the events that come begin with allocation `known`.
  Temporaries(const Definitions& definitions, std::uint64_t threshold, std::uint64_t first, std::uint64_t known,
              bool split_sizes)
      : definitions_(definitions),
        threshold_(threshold),
        first_(first),
        split_sizes_(split_sizes),
        turns_(definitions.threads()) {
    made_.begin_at(known);
    gone_.sites.resize(definitions.sites());
  }

  // False after `end`.
  bool add(std::span<const Event> events, Time end) {
    made_.prepare(events.size());
    for (const Event& event : events) {
      if (event.time > end) return false;
      add(event);
    }
    return true;
  }

  const Held& gone() const { return gone_; }

 private:
  void add(const Event& event) {
    switch (event.kind) {
      case Event::Kind::allocation:
        made_.append({++turn_of(event.thread), index(event.thread)});
        break;
      case Event::Kind::partial_deallocation:
        if (Made* const made = made_.find(event.number)) made->thread = Made::kCut;
        break;
      case Event::Kind::deallocation:
        release(event);
        break;
      default:
        break;  // what a process leaves behind when it ends was not freed by a thread
    }
  }

  void release(const Event& event) {
    const Made* const made = made_.find(event.number);
    if (made == nullptr) return;
    const bool wanted = event.number >= first_;
    if (wanted && made->thread == index(event.thread) && turn_of(event.thread) - made->turn <= threshold_) count(event);
    made_.erase(event.number);
  }

  void count(const Event& event) {
    SiteTotal& total = gone_.sites[index(event.site)];
    total.bytes += event.size;
    total.count += 1;
    if (split_sizes_ && !definitions_.site(event.site).fixed_size)
      gone_.classes.add(index(event.site), size_class(event.size), {event.size, 1});
  }

  std::uint64_t& turn_of(ThreadId thread) {
    if (index(thread) >= turns_.size()) return strange_;  // of a damaged capture
    return turns_[index(thread)];
  }

  const Definitions& definitions_;
  std::uint64_t threshold_;
  std::uint64_t first_;
  bool split_sizes_;
  std::vector<std::uint64_t> turns_;  // allocations by thread
  std::uint64_t strange_ = 0;
  format::NumberWindow<Made> made_;
  Held gone_;
};

}  // namespace

Snapshot temporary_within(const Capture& capture, std::uint64_t threshold, Time from, Time to,
                          const SnapshotOptions& options) {
  Capture::State& state = capture.state();
  const Moment begin = from < Time{} ? Moment{} : moment_at(state, from);
  const std::uint64_t first = begin == Moment{} ? 0 : allocations_until(state, begin);
  const std::uint64_t known = begin.block == 0 ? 0 : allocations_until(state, {begin.block, 0});
  Temporaries temporaries(capture.definitions(), threshold, first, known, options.split_sizes);
  state.events_from(begin.block, Columns::thread | Columns::time,
                    [&](std::span<const Event> events) { return temporaries.add(events, to); });
  Snapshot snapshot = group_sites(capture.definitions(), temporaries.gone(), options);
  snapshot.time = to;
  return snapshot;
}

Snapshot temporary(const Capture& capture, std::uint64_t threshold, const SnapshotOptions& options) {
  Snapshot snapshot =
      temporary_within(capture, threshold, Time{-1}, Time{std::numeric_limits<std::int64_t>::max()}, options);
  snapshot.time = capture.metadata().end;
  return snapshot;
}

}  // namespace memray
