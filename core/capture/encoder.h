// From matched events to blocks of the capture format. One thread.
#pragma once

#include <memray/capture.h>
#include <memray/objects.h>
#include <memray/sink.h>

#include <functional>
#include <memory>
#include <span>

namespace memray {

struct Aggregates;
namespace format {
class EventsWriter;
}

struct EncoderOptions {
  std::size_t block_bytes = 1 << 20;  // uncompressed event bytes at which a block is closed
  bool compress = true;
};

class Encoder {
 public:
  // `emit` receives finished blocks. `definitions` outlives the encoder; what is new in it is written before the first
  // event that needs it. `metadata` is what is known at the start.
  Encoder(const Definitions& definitions, const Metadata& metadata, const EncoderOptions& options,
          std::function<void(const Block&)> emit);
  ~Encoder();

  // What came before; before all events.
  void aggregates(const Aggregates& aggregates);
  void events(std::span<const Event> events);
  // For who writes events down one by one, and calls `flush_if_full` after at most some hundreds of them.
  format::EventsWriter& writer();
  void flush_if_full();
  void sample(const MemorySample& sample);
  void objects(std::span<const ObjectEvent> events);

  // Something of `metadata` became known while recording (python_version, ...). Written with the next block.
  void update_metadata(const Metadata& metadata);

  // Uncompressed event bytes not emitted yet.
  std::size_t pending_bytes() const;

  // Closes and emits the block under construction, so that everything so far survives a crash.
  void flush();

  // Flushes and writes index and trailer. `metadata` is complete now.
  void finish(const Metadata& metadata);

  std::uint64_t bytes_written() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace memray
