// A capture that does not outgrow a limit: for sinks that take events and write a file that they can write anew.
//
// When the file has come near its limit, it is folded: its older events are added up, and a new file begins with these
// sums, the allocations that were live then (as events, with their stacks, times and addresses), and the newer events.
// The peak, leaks and all totals are those of the whole recording; single events are there from Metadata::events_from
// on. Old and new file together stay below the limit, unless what cannot be folded (stacks, live allocations) is
// larger.
#pragma once

#include <memray/capture.h>
#include <memray/event.h>
#include <memray/sink.h>

#include <functional>
#include <memory>
#include <span>
#include <string>

namespace memray {

class BoundedEncoder {
 public:
  using Emit = std::function<void(const Block&)>;

  // `definitions` outlives the encoder. `emit` receives the blocks of the first file.
  BoundedEncoder(const Definitions& definitions, const Metadata& metadata, std::uint64_t max_bytes, Emit emit);
  ~BoundedEncoder();

  void events(std::span<const Event> events);
  void sample(const MemorySample& sample);
  void update_metadata(const Metadata& metadata);
  void flush();
  void finish(const Metadata& metadata);

  // Whether it is time to fold.
  bool full() const;

  // After a flush. Reads back what was written, which is at `path`, and writes the file that takes its place. All that
  // follows belongs to that one. After an error, which is one line for the user, nothing more can be written.
  Status fold(const std::string& path, Emit emit);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace memray
