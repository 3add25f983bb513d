// The moment when the program held most, and what it held then, in one pass.
//
// The obvious way needs two: add up to find the highest sum, then replay to that moment to see which sites held what.
// Copying all sites whenever the sum reaches a new height gives one pass, but a program that grows sets a record with
// every allocation, and there may be a million sites.
//
// So nothing is copied until it is about to be lost. While the sum is at its record ("climbing"), the live holdings
// *are* the holdings at the peak. The first event that takes something away freezes that moment: the epoch goes up by
// one, which costs nothing. From then on a site that changes first saves its holding as its holding at the peak, once
// an epoch; a site that does not change needs no copy, since what it holds now is what it held then. When the sum comes
// back to the record, the current moment is the peak, and all saved holdings are void without anybody touching them:
// the next epoch makes them stale. At the end a site's holding at the peak is the saved one if it was saved in the last
// epoch, else the live one.
//
// An event costs an addition to one site, a compare of epochs, and at most one copy of two words; memory is five words
// a site. Equal heights count as records, so the latest of equal peaks wins, as users of other tools expect. Events
// that change no sum (sizes of zero, unknown addresses) extend the moment.
//
// A process that ends takes all it held with it, in one step: its sites are known from the roster.

#include "query/grouping.h"

namespace memray {
namespace {

class PeakPass {
 public:
  explicit PeakPass(const Definitions& definitions)
      : definitions_(definitions), roster_(definitions), sites_(definitions.sites()) {}

  void apply(const Event& event) {
    switch (event.kind) {
      case Event::Kind::allocation:
        allocate(event);
        break;
      case Event::Kind::deallocation:
        release(event.site, {event.size, pieces_.left(event)});
        break;
      case Event::Kind::partial_deallocation:
        release(event.site, {event.size, 0});
        sites_[index(event.site)].live.count += pieces_.change(event);
        break;
      case Event::Kind::process_exec:
      case Event::Kind::process_exit:
        end_process(event.index);
        break;
      case Event::Kind::unknown_deallocation:
        break;
    }
    if (climbing_) peak_time_ = event.time;
  }

  Snapshot result(const SnapshotOptions& options) const {
    std::vector<Holding> at_peak(sites_.size());
    for (std::size_t i = 0; i < sites_.size(); ++i) {
      const SiteState& site = sites_[i];
      at_peak[i] = !climbing_ && site.epoch == epoch_ ? site.saved : site.live;
    }
    Snapshot snapshot = group_sites(definitions_, roster_.order(), at_peak, options);
    snapshot.time = peak_time_;
    return snapshot;
  }

 private:
  struct SiteState {
    Holding live;
    Holding saved;            // at the peak, where `epoch` is the current one
    std::uint64_t epoch = 0;  // 0: never saved
  };

  void allocate(const Event& event) {
    roster_.allocated(event.site);
    SiteState& site = sites_[index(event.site)];
    if (!climbing_) save(site);
    site.live.bytes += event.size;
    site.live.count += 1;
    live_bytes_ += event.size;
    if (live_bytes_ >= peak_bytes_) {
      peak_bytes_ = live_bytes_;
      climbing_ = true;
    }
  }

  void release(SiteId id, Holding gone) {
    SiteState& site = sites_[index(id)];
    gone.bytes = std::min(gone.bytes, site.live.bytes);
    if (gone.bytes != 0) leave_peak();
    if (!climbing_) save(site);
    site.live.drop(gone);
    live_bytes_ -= gone.bytes;
  }

  void end_process(std::uint32_t process) {
    for (const SiteId site : roster_.of_process(process)) release(site, sites_[index(site)].live);
  }

  void leave_peak() {
    epoch_ += climbing_;
    climbing_ = false;
  }

  void save(SiteState& site) {
    if (site.epoch == epoch_) return;
    site.saved = site.live;
    site.epoch = epoch_;
  }

  const Definitions& definitions_;
  Roster roster_;
  Pieces pieces_;
  std::vector<SiteState> sites_;
  std::uint64_t live_bytes_ = 0;
  std::uint64_t peak_bytes_ = 0;
  std::uint64_t epoch_ = 0;
  bool climbing_ = true;  // live_bytes_ == peak_bytes_
  Time peak_time_{};
};

}  // namespace

Snapshot peak(const Capture& capture, const SnapshotOptions& options) {
  PeakPass pass(capture.definitions());
  capture.events(Columns::time, [&](std::span<const Event> events) {
    for (const Event& event : events) pass.apply(event);
    return true;
  });
  return pass.result(options);
}

Snapshot snapshot(const Capture& capture, View view, const SnapshotOptions& options) {
  return view == View::leaks ? leaks(capture, options) : peak(capture, options);
}

}  // namespace memray
