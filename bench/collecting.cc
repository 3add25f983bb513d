#include "collecting.h"

#include <unistd.h>

#include <algorithm>
#include <vector>

#include "collector/collector.h"
#include "trace.h"

namespace memray {
namespace {

using namespace session;

constexpr std::uint32_t kChunksAtATime = 64;  // about what a busy program fills in a tick
constexpr std::size_t kTurn = 1024;           // events of one thread before those of another
constexpr std::size_t kItemsPerLook = 64;     // at the clock
constexpr std::uint64_t kTicks = 100;         // between two events

class NullSink final : public Sink {
 public:
  Input input() const override { return Input::blocks; }
  Status open(const SinkConfig&) override { return {}; }
  std::string destination() const override { return {}; }
  Status finish(const Metadata&, bool) override { return {}; }
};

// What core/recorder does, without a program around it.
class Recorder {
 public:
  Recorder(collector::Session& session, std::uint32_t number) : session_(session), number_(number) {}

  void add(const RawEvent& event, const Definitions& definitions, std::uint64_t stamp, std::uint64_t shift) {
    const auto kind = static_cast<std::uint32_t>(event.allocator);
    const std::uint64_t address = event.address + shift;
    switch (event.kind) {
      case RawEvent::Kind::allocation:
        change_stack(event.stack, definitions);
        if (stamp != stamp_) put({stamp_item(stamp_ = stamp)});
        if (!has_short_form(address, event.size)) return put({long_allocation_item(kind, event.size), address});
        return put({allocation_item(kind, address, event.size)});
      case RawEvent::Kind::deallocation:
        if (stamp != stamp_) put({stamp_item(stamp_ = stamp)});
        return put({deallocation_item(kind, address)});
      case RawEvent::Kind::mapping:
        change_stack(event.stack, definitions);
        return put({kMapping | stamp << 8, address, event.size, 0});
      case RawEvent::Kind::unmapping:
        return put({kUnmapping | stamp << 8, address, event.size});
    }
  }

  void put(std::initializer_list<std::uint64_t> words) {
    reserve(words.size());
    cursor_ = std::ranges::copy(words, cursor_).out;
    commit();
  }

  std::uint32_t chunks() const { return sequence_; }

 private:
  // Frames are told as native ones: their words need no definitions.
  void change_stack(StackId stack, const Definitions& definitions) {
    if (stack == stack_) return;
    stack_ = stack;
    std::vector<FrameId> frames = definitions.frames_of(stack);
    std::ranges::reverse(frames);
    const auto keep = static_cast<std::size_t>(std::ranges::mismatch(frames, frames_).in1 - frames.begin());
    const auto count = static_cast<std::uint32_t>(frames.size() - keep);
    reserve(1 + count);
    *cursor_++ = stack_item(MEMRAY_STACK_NATIVE, static_cast<std::uint32_t>(keep), count);
    for (std::size_t i = keep; i < frames.size(); ++i) *cursor_++ = index(frames[i]) + 1;
    commit();
    frames_ = std::move(frames);
  }

  void reserve(std::size_t words) {
    if (chunk_ != nullptr && static_cast<std::size_t>(end_ - cursor_) >= words) return;
    if (chunk_ != nullptr) chunk_->state.store(ChunkState::full);
    chunk_ = chunk_at(session_.base(), pop_chunk(session_.base()));
    chunk_->image = 0;
    chunk_->thread = number_;
    chunk_->os_tid = static_cast<std::uint32_t>(getpid());
    chunk_->sequence = sequence_++;
    chunk_->committed.store(0);
    chunk_->state.store(ChunkState::open);
    cursor_ = chunk_words(chunk_);
    end_ = cursor_ + kChunkCapacity / sizeof(std::uint64_t);
  }
  void commit() {
    chunk_->committed.store(static_cast<std::uint32_t>((cursor_ - chunk_words(chunk_)) * sizeof(std::uint64_t)));
  }

  collector::Session& session_;
  std::uint32_t number_;
  std::uint32_t sequence_ = 0;
  ChunkHeader* chunk_ = nullptr;
  std::uint64_t* cursor_ = nullptr;
  std::uint64_t* end_ = nullptr;
  StackId stack_ = kNoStack;
  std::uint64_t stamp_ = 0;
  std::vector<FrameId> frames_;
};

}  // namespace

Collected collect(const std::string& trace_path, std::uint64_t wanted, unsigned threads) {
  const Trace trace =
      trace_path.empty() ? synthetic_trace(std::min<std::size_t>(wanted, 4'000'000)) : trace_of(trace_path);
  RecordRequest request;
  collector::Session session(request);
  NullSink sink;
  collector::Collector collector(session, sink, {});
  Control& control = session.control();
  control.image[0].state.store(ImageState::attached);
  control.image[0].pid.store(static_cast<std::uint32_t>(getpid()));
  control.images.store(1);
  std::vector<Recorder> recorders;
  for (std::uint32_t i = 1; i <= threads; ++i) recorders.emplace_back(session, i);
  recorders[0].put({kStart});

  double seconds = 0;
  const auto drain = [&](bool last) {
    const double start = cpu_seconds();
    collector.drain(last);
    seconds += cpu_seconds() - start;
  };
  std::uint64_t now = 0, stamp = 0, events = 0, drained = 0;
  for (std::uint64_t round = 0; events < wanted; ++round) {
    const std::uint64_t shift = round % 64 << 32;
    for (std::size_t i = 0; i < trace.events.size() && events < wanted; ++i, ++events) {
      now += kTicks;
      if (events % kItemsPerLook == 0) stamp = now;
      recorders[events / kTurn % threads].add(trace.events[i], trace.definitions, stamp, shift);
      std::uint64_t chunks = 0;
      for (const Recorder& recorder : recorders) chunks += recorder.chunks();
      if (chunks - drained < kChunksAtATime) continue;
      drained = chunks;
      drain(false);
      now = std::max(now, session.now());  // as far apart as in life, however slow this is
    }
  }
  drain(true);
  const double start = cpu_seconds();
  collector.finish({});
  seconds += cpu_seconds() - start;
  return {events, seconds / static_cast<double>(events) * 1e9};
}

}  // namespace memray
