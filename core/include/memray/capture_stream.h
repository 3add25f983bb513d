// Captures that begin in the middle of a recording: for sinks that take events and serve clients who come at any time.
//
// A RecordingState knows what a recording has come to, in memory that depends on stacks and live allocations. A
// CaptureStream begins with this, and goes on with the events that it is told: its blocks together are a capture file.
// As with --max-capture-size, what was before is there as sums, and what was live then as events, with stacks, threads,
// addresses and times; peak, leaks and totals are those of the whole recording.
#pragma once

#include <memray/capture.h>
#include <memray/event.h>
#include <memray/sink.h>

#include <functional>
#include <memory>
#include <span>

namespace memray {

class RecordingState {
 public:
  // `definitions` outlives it.
  RecordingState(const Definitions& definitions, const Metadata& metadata);
  ~RecordingState();

  void events(std::span<const Event> events);
  void sample(const MemorySample& sample);
  void update_metadata(const Metadata& metadata);

 private:
  friend class CaptureStream;
  struct State;
  std::unique_ptr<State> state_;
};

class CaptureStream {
 public:
  using Emit = std::function<void(const Block&)>;

  // Emits what `before` knows. From then on it is told the same as `before`.
  CaptureStream(RecordingState& before, Emit emit);
  ~CaptureStream();

  void events(std::span<const Event> events);
  void sample(const MemorySample& sample);
  void update_metadata(const Metadata& metadata);
  void flush();
  // Index and trailer.
  void finish(const Metadata& metadata);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace memray
