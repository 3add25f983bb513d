// A capture of totals: for sinks that take events and keep no list of them.
//
// The capture has what every stack held at the peak and holds now, and what was allocated by which stack, in what
// sizes, but no single event. Its size depends on the number of stacks, not on the length of the recording. Reports of
// the peak, of leaks and statistics are equal to those of a full capture.
#pragma once

#include <memray/capture.h>
#include <memray/event.h>
#include <memray/sink.h>

#include <functional>
#include <memory>
#include <span>

namespace memray {

class AggregateEncoder {
 public:
  // `definitions` outlives the encoder.
  explicit AggregateEncoder(const Definitions& definitions);
  ~AggregateEncoder();

  void events(std::span<const Event> events);
  // Samples are kept at intervals that double as there come to be too many, with the highest value of each interval.
  void sample(const MemorySample& sample);

  std::uint64_t events_seen() const;

  // The whole capture as of now, from the first byte to the last. May be called again, later.
  void write(const Metadata& metadata, const std::function<void(const Block&)>& emit);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace memray
