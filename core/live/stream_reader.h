// A capture that comes in pieces, while it is made: the blocks are checked and read as those of a file are, by the same
// code, as soon as they are complete. Where the stream begins anew, because its reader was too slow, a new capture
// takes the place of the one before.
#pragma once

#include <memray/capture.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "capture/aggregates.h"
#include "capture/block_list.h"
#include "capture/event_decoder.h"

namespace memray::live {

class StreamListener {
 public:
  virtual ~StreamListener() = default;
  // A capture begins; what was told before is void.
  virtual void begin(const Capture& capture) = 0;
  // What was before its first event; it comes before this.
  virtual void before(const Aggregates& aggregates) = 0;
  // In order. Ends with the span, as the capture's definitions may change.
  virtual void events(std::span<const Event> events) = 0;
  virtual void sample(const MemorySample& sample) = 0;
  // What a capture consists of: its beginning, or a whole block, after all that is in it was told.
  virtual void bytes(std::span<const std::byte> bytes) = 0;
};

class StreamReader {
 public:
  // `listener` outlives it.
  StreamReader(StreamListener& listener, Columns columns);
  ~StreamReader();

  // Throws CaptureError if this is no capture; nothing more can be read then.
  void feed(std::span<const std::byte> bytes);

  // What has come of it. There is one as soon as `begin` was told.
  const Capture* capture() const { return capture_ ? &*capture_ : nullptr; }
  bool ended() const { return ended_; }  // the trailer has come
  Time latest() const { return latest_; }

 private:
  std::size_t take(std::span<const std::byte> bytes);
  void begin(std::span<const std::byte> file_header);
  bool read_block(const format::BlockPlace& block);
  bool read_events(const format::BlockPlace& block);
  Capture::State& state() { return capture_->state(); }

  StreamListener& listener_;
  Columns columns_;
  std::optional<Capture> capture_;
  std::optional<format::EventDecoder> decoder_;
  format::EventSections sections_;
  std::vector<Event> batch_;
  std::vector<std::byte> rest_;  // of what came: less than a block
  std::uint64_t position_ = 0;   // of `rest_` in the stream
  Time latest_{};
  bool ended_ = false;
};

}  // namespace memray::live
