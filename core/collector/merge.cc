// From what threads committed to matched events: the collector's inner loop.
//
// An event costs its share of a microsecond's budget of about fifty events, so nothing here is called, copied or looked
// up that can be known for a run of events of one thread: the run goes on until another thread has an older event. A
// stack change is applied when it is met, except where libraries are about to come or go: what its words mean depends
// on the moment then, so it waits for the stamp of the event that follows.
#include "collector/collector.h"

#include <algorithm>
#include <array>

namespace memray::collector {

namespace {

// So few that they stay in the cache until they are encoded.
constexpr std::size_t kBatch = 256;

// How far ahead of the event that is matched memory is fetched for others: about twelve of them.
constexpr std::ptrdiff_t kWordsAhead = 32;

constexpr std::uint8_t item_of(std::uint64_t word) { return static_cast<std::uint8_t>(word); }
constexpr std::uint8_t family_of(std::uint64_t word) { return item_of(word) & 0xf0; }
constexpr std::uint64_t stamp_of(std::uint64_t word) { return word >> 8; }

// Words of items of fixed size; 0 for others.
constexpr auto kWords = [] {
  std::array<std::uint8_t, 256> words{};
  for (std::size_t i = 0; i < 16; ++i) {
    words[session::kAllocation + i] = 3;
    words[session::kDeallocation + i] = 2;
    words[session::kObjectCreated + i] = 3;
    words[session::kObjectDestroyed + i] = 2;
    words[session::kExec + i] = 1;
  }
  words[session::kMapping] = 4;
  words[session::kUnmapping] = 3;
  return words;
}();

constexpr std::size_t stack_words(std::uint64_t head) { return 1 + (head >> 40); }

// Words of an item; 0 if it is none.
std::size_t size_of(std::uint64_t head) {
  return family_of(head) == session::kStack ? stack_words(head) : kWords[item_of(head)];
}

StackId top(const std::vector<StackId>& stack) { return stack.empty() ? kNoStack : stack.back(); }

}  // namespace

// Threads are merged by time stamp up to the watermark. Total order matters little; what matters is that the events of
// one address come in the order in which they happened, and they do: an allocation is committed before its wrapper
// returns, so before anybody can free the block; a free is stamped and committed before the block is really freed, so
// before anybody can get it again. With W = the time just before positions were noted, an item stamped at or before W
// has every item it depends on in the same cut.
void Collector::merge(std::uint64_t watermark) {
  const auto later = std::greater<>{};
  auto push = [&](Stream* stream) {
    if (!find_stamped_item(*stream)) return;
    const std::uint64_t stamp = stamp_of(*stream->words());
    if (stamp > watermark) return;
    heap_.emplace_back(stamp, stream);
    std::push_heap(heap_.begin(), heap_.end(), later);
  };
  for (auto& stream : streams_.all()) {
    if (stream->thread() == 0 || stream->image() >= images_.size()) continue;
    stream->owner = &images_[stream->image()];
    push(stream.get());
  }
  while (!heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    Stream* stream = heap_.back().second;
    heap_.pop_back();
    run(*stream, heap_.empty() ? watermark : heap_.front().first);
    push(stream);
  }
  hand_over();
}

// Goes on to the next item with a time. False if the stream has none.
bool Collector::find_stamped_item(Stream& stream) {
  while (streams_.advance(stream)) {
    const std::uint64_t* const words = stream.words();
    const std::size_t size = size_of(*words);
    if (size == 0 || size > stream.readable()) [[unlikely]] {
      stream.consume(stream.readable());
      damaged_ = true;
      continue;
    }
    if (family_of(*words) != session::kStack) return true;
    if (stream.owner->steady()) [[likely]] {
      change_stack(stream, words);
    } else {
      stream.changes.insert(stream.changes.end(), words, words + size);
    }
    stream.consume(size);
  }
  return false;
}

// A frame of memray's own takes its place in the stack that changes are relative to, but not in the one recorded.
void Collector::change_stack(Stream& stream, const std::uint64_t* words) {
  const auto kind = static_cast<std::uint32_t>(*words >> 8 & 0xff);
  const auto keep = static_cast<std::size_t>(*words >> 16 & 0xff'ffff);
  if (kind >= MEMRAY_STACK_KINDS) return;
  auto& stack = stream.stacks[kind];
  if (keep > stack.size()) {
    damaged_ = true;
    return;
  }
  const std::size_t count = stack_words(*words) - 1;
  StackId below = keep == 0 ? kNoStack : stack[keep - 1];
  stack.resize(keep + count);
  for (std::size_t i = 0; i < count; ++i) stack[keep + i] = below = stream.owner->push(kind, below, words[1 + i]);
}

void Collector::apply_waiting_changes(Stream& stream) {
  for (std::size_t i = 0; i < stream.changes.size(); i += stack_words(stream.changes[i]))
    change_stack(stream, &stream.changes[i]);
  stream.changes.clear();
}

// Applies the stream's events up to the time `until`. There is one.
void Collector::run(Stream& stream, std::uint64_t until) {
  Image& image = *stream.owner;
  if (image.predecessor && !image.predecessor->ended)
    end_image(*image.predecessor, true, clock_.time_of(stamp_of(*stream.words())));
  const LiveTable& heap = matcher_.heap_of(image.process());
  RawAllocation allocation;
  allocation.process = image.process();
  allocation.thread = stream.id;
  RawDeallocation deallocation;
  deallocation.process = image.process();
  deallocation.thread = stream.id;
  do {
    look_ahead(stream, heap);
    const std::uint64_t* const words = stream.words();
    const std::uint64_t stamp = stamp_of(*words);
    if (stamp > until) return;
    const std::uint8_t item = item_of(*words);
    if (image.advance(stamp) | !stream.changes.empty()) [[unlikely]]
      apply_waiting_changes(stream);
    if ((item & 0xf0) == session::kAllocation || item == session::kMapping) {
      allocation.allocator = item == session::kMapping ? Allocator::mmap : static_cast<Allocator>(item & 0x0f);
      allocation.stack = top(stream.stacks[MEMRAY_STACK_PYTHON]);
      allocation.native_stack = top(stream.stacks[MEMRAY_STACK_NATIVE]);
      allocation.address = words[1];
      allocation.size = words[2];
      allocation.stamp = stamp;
      allocation.time = clock_.time_of(stamp);
      item == session::kMapping ? matcher_.map(allocation) : matcher_.allocate(allocation);
    } else if ((item & 0xf0) == session::kDeallocation || item == session::kUnmapping) {
      const bool unmapping = item == session::kUnmapping;
      deallocation.allocator = unmapping ? Allocator::munmap : static_cast<Allocator>(item & 0x0f);
      deallocation.address = words[1];
      deallocation.length = unmapping ? words[2] : 0;
      deallocation.stamp = stamp;
      deallocation.time = clock_.time_of(stamp);
      unmapping ? matcher_.unmap(deallocation) : matcher_.deallocate(deallocation);
    } else {
      mark(stream, item);
    }
    stream.consume(kWords[item]);
    if (matcher_.events().size() + objects_.events().size() >= kBatch) hand_over();
  } while (find_stamped_item(stream));
}

// Entries of a large table of live blocks take longer to arrive than everything else that is done for an event.
inline void Collector::look_ahead(Stream& stream, const LiveTable& heap) {
  const std::uint64_t* const end = stream.words() + std::min<std::ptrdiff_t>(kWordsAhead, stream.readable());
  const std::uint64_t* ahead = std::max(stream.ahead, stream.words());
  while (ahead < end) {
    const std::size_t size = size_of(*ahead);
    if (size == 0) break;
    const std::uint8_t family = family_of(*ahead);
    if ((family == session::kAllocation || family == session::kDeallocation) && ahead + 1 < end)
      heap.prefetch(ahead[1]);
    ahead += size;
  }
  stream.ahead = ahead;
}

void Collector::mark(const Stream& stream, std::uint8_t item) {
  Image& image = *stream.owner;
  if (item == session::kStart) {
    image.started = true;
    image.stopped = false;
    if (metadata_.entry_stack == kNoStack) metadata_.entry_stack = top(stream.stacks[MEMRAY_STACK_PYTHON]);
  } else if (item == session::kStop) {
    image.stopped = true;
  } else if (item == session::kExec) {
    image.executing = true;
  } else if (item == session::kExecFailed) {
    image.executing = false;
  } else if (item == session::kObjectCreated || item == session::kObjectDestroyed) {
    note_object(stream, item);
  }
}

void Collector::note_object(const Stream& stream, std::uint8_t item) {
  const std::uint64_t* const words = stream.words();
  const Image& image = *stream.owner;
  const Time time = clock_.time_of(stamp_of(*words));
  if (item == session::kObjectDestroyed) return objects_.destroyed(image.process(), words[1], stream.id, time);
  ObjectEvent object;
  object.address = words[1];
  object.thread = stream.id;
  object.time = time;
  object.type = image.type(static_cast<std::uint32_t>(words[2]));
  object.stack = top(stream.stacks[MEMRAY_STACK_PYTHON]);
  object.native_stack = top(stream.stacks[MEMRAY_STACK_NATIVE]);
  objects_.created(image.process(), object);
}

}  // namespace memray::collector
