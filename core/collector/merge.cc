// From what threads committed to matched events: the collector's inner loop.
//
// Each thread's items are decoded some two dozen ahead, and what they will need from large tables is fetched: it takes
// longer to arrive than all else that is done for an event. Then they take their turns, in order of time, over all
// threads. What nearly every item is, a heap block that begins or ends, goes at once to where it is written, without an
// Event in between; all the rest, and everything where the sink wants events, goes the long way through the matcher's
// list.
//
// Stack changes are applied when they are decoded, except where libraries are about to come or go: what their words
// mean depends on the moment then, so they wait for the time of the item that follows, which is decoded alone.
#include "collector/collector.h"

#include <memray/mapping.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstddef>

namespace memray::collector {

namespace {

// Events for sinks that want them: so few that they stay in the cache until they are read.
constexpr std::size_t kBatch = 256;

constexpr std::uint8_t item_of(std::uint64_t word) { return static_cast<std::uint8_t>(word); }
using session::family_of;
constexpr Allocator allocator_of(std::uint64_t word) { return static_cast<Allocator>(word & 0x0f); }
constexpr std::uint64_t stamp_of(std::uint64_t word) { return word >> 8; }

// An item that is only made here: a block that is allocated and freed again and again, as many times as the third word
// says, which also says by what it is freed. Otherwise like an allocation.
constexpr std::uint8_t kPairs = 0xe0;
constexpr std::uint64_t kMostPairs = 128;
constexpr std::uint64_t pairs_word(std::uint64_t count, std::uint64_t end) { return count << 8 | (end & 0xff); }
constexpr std::uint64_t pairs_count(std::uint64_t word) { return word >> 8; }

// Words of items of fixed size; 0 for others.
constexpr auto kWords = [] {
  std::array<std::uint8_t, 256> words{};
  for (std::size_t i = 0; i < 16; ++i) {
    words[session::kAllocation + i] = 1;
    words[session::kLongAllocation + i] = 2;
    words[session::kDeallocation + i] = 1;
    words[session::kObjectCreated + i] = 3;
    words[session::kObjectDestroyed + i] = 2;
    words[session::kExec + i] = 1;
  }
  words[session::kRepeats] = 1;
  words[session::kStamp] = 1;
  words[session::kMapping] = 4;
  words[session::kUnmapping] = 3;
  return words;
}();

constexpr std::size_t stack_words(std::uint64_t head) { return 1 + (head >> 40); }

// Words of an item; 0 if it is none.
std::size_t size_of(std::uint64_t head) {
  return family_of(head) == session::kStack ? stack_words(head) : kWords[item_of(head)];
}

// The short form of a block's beginning or end: both families are told from all others at once.
constexpr bool is_block(std::uint64_t word) { return static_cast<std::uint8_t>(item_of(word) - 0x10) < 0x20; }
static_assert(session::kAllocation == 0x10 && session::kDeallocation == 0x20);

StackId top(const std::vector<StackId>& stack) { return stack.empty() ? kNoStack : stack.back(); }

}  // namespace

// Threads are merged by time stamp up to the watermark. Total order matters little; what matters is that the events of
// one address come in the order in which they happened, and they do: an allocation is committed before its wrapper
// returns, so before anybody can free the block; a free is stamped and committed before the block is really freed, so
// before anybody can get it again. With W = the time just before positions were noted, an item stamped at or before W
// has every item it depends on in the same cut.
void Collector::merge(std::uint64_t watermark) {
  next_time_ = 0;
  for (auto& stream : streams_.all()) {
    if (stream->thread() == 0 || stream->image() >= images_.size()) continue;
    stream->owner = &images_[stream->image()];
    if (!has_item(*stream)) continue;
    if (const std::uint64_t stamp = stamp_of(stream->upcoming.front().head); stamp <= watermark)
      turns_.add(stamp, *stream);
  }
  while (!turns_.empty()) {
    Stream& stream = turns_.first();
    run(stream, turns_.until(watermark));
    if (stream.upcoming.empty()) {
      turns_.remove_first();
      continue;
    }
    const std::uint64_t stamp = stamp_of(stream.upcoming.front().head);
    stamp <= watermark ? turns_.move_first(stamp) : turns_.remove_first();
  }
  hand_over();
}

// Reads items with a time from the chunks. False if the stream has none.
bool Collector::decode(Stream& stream) {
  if (encoder_) encoder_->flush_if_full();
  if (matcher_.events().size() + objects_.events().size() >= kBatch) hand_over();
  stream.upcoming.clear();
  while (stream.upcoming.empty() && streams_.advance(stream)) decode_chunk(stream);
  return !stream.upcoming.empty();
}

// A block that begins or ends, in the form of which the rest of the collector thinks: as if its stamp were in its head.
// What comes first is chosen without a branch, as it would be guessed wrong too often.
static inline void read_block(const Stream& stream, std::uint64_t word, Item& item) {
  const bool begins = family_of(word) == session::kAllocation;
  item.head = item_of(word) | stream.stamp << 8;
  item.words[0] = begins ? session::address_of_allocation(word) : session::address_of_deallocation(word);
  item.words[1] = session::size_of_allocation(word);
}

// As many as there is room for; one, if it has to wait for its stacks.
static void add_repeats(Stream& stream, bool steady, StackId stack, StackId native_stack) {
  while (stream.repeats != 0 && !stream.upcoming.full() && !stream.waiting) {
    Item& item = stream.upcoming.add();
    item.stack = stack;
    item.native_stack = native_stack;
    if (steady && stream.repeats >= 2 && !stream.repeats_end) {
      const std::uint64_t count = std::min(stream.repeats / 2, kMostPairs);
      read_block(stream, stream.repeated[0], item);
      item.words[2] = pairs_word(count, stream.repeated[1]);
      item.head += kPairs - session::kAllocation;
      stream.repeats -= 2 * count;
      continue;
    }
    read_block(stream, stream.repeated[stream.repeats_end ? 1 : 0], item);
    stream.repeats_end = !stream.repeats_end;
    --stream.repeats;
    stream.waiting = !steady;
  }
}

// All that is no short form of a block. False: it is no item of a thread's.
bool Collector::decode_other(Stream& stream, const std::uint64_t* at, bool steady) {
  const std::uint8_t family = family_of(*at);
  if (family == session::kStack) {
    steady ? change_stack(stream, at) : wait_for_change(stream, at);
  } else if (family == session::kStamp) {
    stream.stamp = stamp_of(*at);
  } else if (family == session::kRepeats) {
    return stream.add_repeats(at, *at >> 8);
  } else {
    Item& item = stream.upcoming.add();
    if (family == session::kLongAllocation) {
      item.head = (session::kAllocation | (*at & 0x0f)) | stream.stamp << 8;
      item.words = {at[1], *at >> 8, 0};
      matcher_.memory(stream.owner->process()).heap.prefetch(at[1]);
    } else {
      item.head = *at;
      std::copy_n(at + 1, kWords[item_of(*at)] - 1, item.words.begin());
    }
    item.stack = top(stream.stacks[MEMRAY_STACK_PYTHON]);
    item.native_stack = top(stream.stacks[MEMRAY_STACK_NATIVE]);
    stream.waiting = !steady;
  }
  return true;
}

void Collector::decode_chunk(Stream& stream) {
  const bool steady = stream.owner->steady();
  if (steady && !stream.changes.empty()) apply_waiting_changes(stream);
  const LiveTable& heap = matcher_.memory(stream.owner->process()).heap;
  const std::uint64_t* at = stream.words();
  const std::uint64_t* const end = at + stream.readable();
  StackId stack = top(stream.stacks[MEMRAY_STACK_PYTHON]);
  StackId native_stack = top(stream.stacks[MEMRAY_STACK_NATIVE]);
  if (stream.repeats != 0) add_repeats(stream, steady, stack, native_stack);
  while (at < end && !stream.upcoming.full() && !stream.waiting) {
    const std::uint64_t word = *at;
    if (is_block(word)) [[likely]] {
      Item& item = stream.upcoming.add();
      read_block(stream, word, item);
      item.stack = stack;
      item.native_stack = native_stack;
      heap.prefetch(item.words[0]);
      stream.waiting = !steady;
      ++at;
      continue;
    }
    const std::size_t size = size_of(word);
    if (size == 0 || size > static_cast<std::size_t>(end - at) || !decode_other(stream, at, steady)) [[unlikely]] {
      damaged_ = true;
      at = end;
      break;
    }
    at += size;
    stack = top(stream.stacks[MEMRAY_STACK_PYTHON]);
    native_stack = top(stream.stacks[MEMRAY_STACK_NATIVE]);
    if (stream.repeats != 0) add_repeats(stream, steady, stack, native_stack);
  }
  stream.consume(static_cast<std::size_t>(at - stream.words()));
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

void Collector::wait_for_change(Stream& stream, const std::uint64_t* words) {
  stream.changes.insert(stream.changes.end(), words, words + stack_words(*words));
}

void Collector::apply_waiting_changes(Stream& stream) {
  for (std::size_t i = 0; i < stream.changes.size(); i += stack_words(stream.changes[i]))
    change_stack(stream, &stream.changes[i]);
  stream.changes.clear();
}

// Its time has come.
void Collector::stop_waiting(Stream& stream, Item& item) {
  stream.waiting = false;
  stream.owner->advance(stamp_of(item.head));
  apply_waiting_changes(stream);
  item.stack = top(stream.stacks[MEMRAY_STACK_PYTHON]);
  item.native_stack = top(stream.stacks[MEMRAY_STACK_NATIVE]);
}

// Whether the stream's next item allocates what the one after it frees, and no other thread comes between.
static inline bool is_freed_at_once(Stream& stream, std::uint64_t until) {
  const Item* const next = stream.upcoming.second();
  return next != nullptr && family_of(next->head) == session::kDeallocation &&
         next->words[0] == stream.upcoming.front().words[0] && stamp_of(next->head) <= until;
}

// The stream's items up to the time `until`. There is one.
void Collector::run(Stream& stream, std::uint64_t until) {
  Image& image = *stream.owner;
  if (image.predecessor && !image.predecessor->ended) [[unlikely]] {
    end_image(*image.predecessor, true, clock_.time_of(stamp_of(stream.upcoming.front().head)));
    hand_over();
  }
  ProcessMemory& memory = matcher_.memory(image.process());
  do {
    Item& item = stream.upcoming.front();
    const std::uint64_t stamp = stamp_of(item.head);
    if (stamp > until) return;
    if (stream.waiting) [[unlikely]]
      stop_waiting(stream, item);
    const std::uint8_t family = family_of(item.head);
    if (writer_ && family == session::kAllocation) {
      if (is_freed_at_once(stream, until) &&
          write_both(stream, item, stamp_of(stream.upcoming.second()->head), memory)) {
        stream.upcoming.pop();
      } else {
        write_allocation(stream, item, memory);
      }
    } else if (writer_ && family == session::kDeallocation) {
      write_deallocation(stream, item, memory);
    } else if (family == kPairs) {
      do_pairs(stream, item, memory);
    } else {
      match(stream, item);
      if (writer_ && !matcher_.events().empty()) hand_over();
    }
    stream.upcoming.pop();
  } while (has_item(stream));
}

inline SiteId Collector::site_of(const Stream& stream, const Item& item) {
  RawAllocation allocation;
  allocation.thread = stream.id;
  allocation.allocator = allocator_of(item.head);
  allocation.stack = item.stack;
  allocation.native_stack = item.native_stack;
  allocation.size = item.words[1];
  return matcher_.site_of(allocation);
}

// An allocation, and the end of the block at `end`. False: they are to be written one by one.
inline bool Collector::write_both(const Stream& stream, const Item& item, std::uint64_t end, ProcessMemory& memory) {
  const std::uint64_t address = item.words[0];
  const std::uint64_t size = item.words[1];
  const SiteId site = site_of(stream, item);
  const auto number = matcher_.pass_block(memory, address, size);
  if (!number) return false;
  note_time(stamp_of(item.head));
  const Allocator allocator = allocator_of(item.head);
  writer_->allocation(site, matcher_.has_fixed_size(site), stream.id, allocator, size, address);
  note_time(end);
  writer_->deallocation(*number, stream.id, deallocator_of(allocator), size, address);
  return true;
}

void Collector::do_pairs(const Stream& stream, const Item& pairs, ProcessMemory& memory) {
  Item begin = pairs, end = pairs;
  begin.head -= kPairs - session::kAllocation;
  end.head = (pairs.head & ~std::uint64_t{0xff}) | item_of(pairs.words[2]);
  std::uint64_t left = pairs_count(pairs.words[2]);
  if (writer_ && write_both(stream, begin, stamp_of(end.head), memory)) {
    --left;
    if (matcher_.has_fixed_size(site_of(stream, begin))) {
      matcher_.pass_blocks(begin.words[1], left);
      writer_->repeat(begin.words[1], left);
      return;
    }
  }
  for (; left != 0; --left) {
    match(stream, begin);
    match(stream, end);
    if (writer_) hand_over();
  }
}

inline void Collector::write_allocation(const Stream& stream, const Item& item, ProcessMemory& memory) {
  const SiteId site = site_of(stream, item);
  const std::uint64_t address = item.words[0];
  const std::uint64_t stamp = stamp_of(item.head);
  const std::uint64_t size = item.words[1];
  if (!matcher_.begin_block(memory, address, size, site, stamp)) [[unlikely]] {
    match(stream, item);
    return hand_over();
  }
  note_time(stamp);
  writer_->allocation(site, matcher_.has_fixed_size(site), stream.id, allocator_of(item.head), size, address);
}

inline void Collector::write_deallocation(const Stream& stream, const Item& item, ProcessMemory& memory) {
  const std::uint64_t stamp = stamp_of(item.head);
  const std::uint64_t address = item.words[0];
  const auto block = matcher_.end_block(memory, address, stamp);
  if (!block) [[unlikely]] {
    match(stream, item);
    return hand_over();
  }
  note_time(stamp);
  writer_->deallocation(block->number, stream.id, block->deallocator, block->size, address);
}

inline void Collector::note_time(std::uint64_t stamp) {
  if (stamp < next_time_ && writer_->events() != 0) [[likely]]
    return;
  const Time time = clock_.time_of(stamp);
  writer_->time(time);
  next_time_ = clock_.stamp_of(Time{(format::time_units(time) + 1) * format::kTimeUnit});
}

static Allocator mapping_kind(std::uint64_t how) {
  if (how == session::kRemapped) return kMremap;
  const bool fixed = (how & MAP_FIXED) != 0;
  if ((how & MAP_ANONYMOUS) != 0) return fixed ? kMmapFixed : Allocator::mmap;
  return fixed ? kMmapFileFixed : kMmapFile;
}

RawAllocation Collector::raw_allocation(const Stream& stream, const Item& item) {
  RawAllocation allocation;
  allocation.process = stream.owner->process();
  allocation.thread = stream.id;
  allocation.allocator =
      item_of(item.head) == session::kMapping ? mapping_kind(item.words[2]) : allocator_of(item.head);
  allocation.stack = item.stack;
  allocation.native_stack = item.native_stack;
  allocation.address = item.words[0];
  allocation.size = item.words[1];
  allocation.stamp = stamp_of(item.head);
  allocation.time = clock_.time_of(allocation.stamp);
  return allocation;
}

RawDeallocation Collector::raw_deallocation(const Stream& stream, const Item& item) {
  const bool unmapping = item_of(item.head) == session::kUnmapping;
  RawDeallocation deallocation;
  deallocation.process = stream.owner->process();
  deallocation.thread = stream.id;
  deallocation.allocator = unmapping ? Allocator::munmap : allocator_of(item.head);
  deallocation.address = item.words[0];
  deallocation.length = unmapping ? item.words[1] : 0;
  deallocation.stamp = stamp_of(item.head);
  deallocation.time = clock_.time_of(deallocation.stamp);
  return deallocation;
}

void Collector::match(const Stream& stream, const Item& item) {
  const std::uint8_t kind = item_of(item.head);
  const std::uint8_t family = family_of(item.head);
  if (family == session::kAllocation) {
    matcher_.allocate(raw_allocation(stream, item));
  } else if (kind == session::kMapping) {
    matcher_.map(raw_allocation(stream, item));
  } else if (family == session::kDeallocation) {
    matcher_.deallocate(raw_deallocation(stream, item));
  } else if (kind == session::kUnmapping) {
    matcher_.unmap(raw_deallocation(stream, item));
  } else {
    mark(stream, item);
  }
}

void Collector::mark(const Stream& stream, const Item& item) {
  Image& image = *stream.owner;
  const std::uint8_t kind = item_of(item.head);
  if (kind == session::kStart) {
    image.started = true;
    image.stopped = false;
    if (metadata_.entry_stack == kNoStack) metadata_.entry_stack = item.stack;
    sample_beginning(image, clock_.time_of(stamp_of(item.head)));
  } else if (kind == session::kStop) {
    image.stopped = true;
  } else if (kind == session::kExec) {
    image.executing = true;
  } else if (kind == session::kExecFailed) {
    image.executing = false;
  } else if (kind == session::kObjectCreated || kind == session::kObjectDestroyed) {
    note_object(stream, item);
  }
}

void Collector::note_object(const Stream& stream, const Item& item) {
  const Image& image = *stream.owner;
  const Time time = clock_.time_of(stamp_of(item.head));
  const std::uint64_t address = item.words[0];
  if (item_of(item.head) == session::kObjectDestroyed)
    return objects_.destroyed(image.process(), address, stream.id, time);
  ObjectEvent object;
  object.address = address;
  object.thread = stream.id;
  object.time = time;
  object.type = image.type(static_cast<std::uint32_t>(item.words[1]));
  object.stack = item.stack;
  object.native_stack = item.native_stack;
  objects_.created(image.process(), object);
}

}  // namespace memray::collector
