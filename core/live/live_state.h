// What a recording has come to, while it is made: what is live, what was live at the peak, what is old, and how it
// came. Fed with the bytes of a stream, or of a file. Memory depends on stacks and live allocations, not on how long it
// goes on. One thread at a time.
//
//   LiveState state;
//   state.feed(bytes);                                              // as they come; throws CaptureError
//   const Snapshot now = state.snapshot({});                        // groups, for display_stack() and functions() with
//   functions(*state.capture(), now);                               // the capture, until the next feed
#pragma once

#include <memray/query.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "capture/aggregates.h"
#include "capture/sample_thinner.h"
#include "live/age_marks.h"
#include "live/moments.h"
#include "live/stream_reader.h"

namespace memray::live {

enum class View { current, peak, leaked };

struct Question {
  View view = View::current;
  // current: at this moment of the past, or the last known one before. leaked: allocated before this moment, or before
  // the last one known before; nothing: about the first half of the recording.
  std::optional<Time> time{};
  bool merge_threads = true;
};

class LiveState final : StreamListener {
 public:
  LiveState();
  ~LiveState() override;

  void feed(std::span<const std::byte> bytes);

  // Gets all that is read, as whole blocks, so that what it got is a capture at any time; `beginning`: another one
  // begins, and what came before is to be thrown away.
  using Keep = std::function<void(std::span<const std::byte> bytes, bool beginning)>;
  void keep_in(Keep keep) { keep_ = std::move(keep); }

  // Nothing before the first bytes. A new one where the stream began anew: `beginnings` counts these.
  const Capture* capture() const { return reader_.capture(); }
  std::uint64_t beginnings() const { return beginnings_; }
  bool ended() const { return reader_.ended(); }
  Time latest() const { return reader_.latest(); }  // moment of the recording

  Snapshot snapshot(const Question& question) const;
  // Of all that was recorded.
  Totals totals() const { return sums_ ? sums_->totals() : Totals{}; }
  std::uint64_t live_bytes() const { return sums_ ? sums_->live_bytes() : 0; }

  const std::vector<MemorySample>& samples() const { return samples_.samples(); }  // thinned
  std::uint64_t sample_count() const { return sample_count_; }
  // Moments that can be looked back at, and those that leaks can be told from.
  std::vector<Time> moments() const { return moments_.times(); }
  std::vector<Time> ages() const { return marks_ ? marks_->times() : std::vector<Time>{}; }
  // The moment that leaks are told from if none is named.
  std::optional<Time> default_age() const;

  // As an aggregated capture, which all reports read that need no single events. With a moment of the past, that is its
  // peak and its end.
  void save(std::optional<Time> moment, const std::function<void(std::span<const std::byte>)>& write) const;

 private:
  void begin(const Capture& capture) override;
  void before(const Aggregates& aggregates) override;
  void events(std::span<const Event> events) override;
  void sample(const MemorySample& sample) override;
  void bytes(std::span<const std::byte> bytes) override;

  SiteTotals held(const Question& question) const;
  void look(Time time);
  const Definitions& definitions() const { return reader_.capture()->definitions(); }

  StreamReader reader_;
  Keep keep_;
  bool beginning_ = false;
  std::optional<Aggregator> sums_;
  std::optional<AgeMarks> marks_;
  Moments moments_;
  SampleThinner samples_;
  std::uint64_t sample_count_ = 0;
  std::uint64_t beginnings_ = 0;
  std::uint64_t restated_ = 0;  // events that are still to come about what was live before the stream began
  std::optional<Time> looked_;
};

}  // namespace memray::live
