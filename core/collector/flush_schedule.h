// When what was collected is written out, though its block could still grow. Whatever is not written yet is lost if
// the collector is killed, but small blocks compress badly, and each has a header.
//
// A busy program fills blocks of a fair size within a second. One that does little is written when it has fallen
// silent, so that whoever looks at a program that waits finds all of it; but only some times in a row: a trickle of
// events with pauses in between would be all headers.
#pragma once

#include <chrono>
#include <cstdint>

namespace memray::collector {

enum class Flush : std::uint8_t { none, if_worth_a_block, all };

class FlushSchedule {
 public:
  using Clock = std::chrono::steady_clock;

  explicit FlushSchedule(Clock::time_point now)
      : latest_event_(now), latest_of_all_(now), next_of_all_(now + kIntervalOfAll), next_(now + kInterval) {}

  // What is due, `events` having been collected in total.
  Flush due(Clock::time_point now, std::uint64_t events) {
    if (events != events_) latest_event_ = now;
    events_ = events;
    if (now >= next_of_all_) {
      next_of_all_ = now + kIntervalOfAll;
      in_advance_ -= in_advance_ > 0 ? 1 : 0;
      return all(now);
    }
    const bool silent = events_ != written_ && now - latest_event_ >= kSilence;
    if (silent && now - latest_of_all_ >= kInterval && in_advance_ < kMostInAdvance) {
      ++in_advance_;
      return all(now);
    }
    if (now < next_) return Flush::none;
    next_ = now + kInterval;
    return Flush::if_worth_a_block;
  }

 private:
  static constexpr std::chrono::milliseconds kInterval{1000};
  static constexpr std::chrono::milliseconds kIntervalOfAll{5000};
  static constexpr std::chrono::milliseconds kSilence{500};
  static constexpr unsigned kMostInAdvance = 8;

  Flush all(Clock::time_point now) {
    latest_of_all_ = now;
    written_ = events_;
    return Flush::all;
  }

  Clock::time_point latest_event_;
  Clock::time_point latest_of_all_;
  Clock::time_point next_of_all_;
  Clock::time_point next_;
  std::uint64_t events_ = 0;
  std::uint64_t written_ = 0;
  unsigned in_advance_ = 0;  // writes for silence, less one for every five seconds
};

}  // namespace memray::collector
