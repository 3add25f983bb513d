// The chunks as the collector reads them: one stream of words for each recording thread.
//
// A tick takes a cut through all streams with `note_positions`: what is committed now may be read, what comes later
// waits. The cut is causal in this sense: an item committed before the time stamp of another item, which is in the cut
// and is stamped before the cut began, is in the cut too. Matching depends on nothing else, so no thread is ever asked
// to wait and no fence is needed in the program; see Collector::merge.
#pragma once

#include "session/layout.h"

#include <memray/types.h>
#include <memray/unwinder.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

namespace memray::collector {

class Image;

// An item with a time, out of its chunk.
struct Item {
  std::uint64_t head;                  // what it is, and its stamp
  std::array<std::uint64_t, 3> words;  // what follows the head; behind the last there may be anything
  StackId stack, native_stack;
};

// Items are decoded some way ahead of their turn, so that what they will need is fetched from memory meanwhile.
class Upcoming {
 public:
  static constexpr std::size_t kMost = 24;

  bool empty() const { return first_ == end_; }
  bool full() const { return end_ == kMost; }
  Item& front() { return items_[first_]; }
  // The item after that; nullptr: not decoded yet.
  const Item* second() const { return first_ + 1 < end_ ? &items_[first_ + 1] : nullptr; }
  void pop() { ++first_; }
  void clear() { first_ = end_ = 0; }
  Item& add() { return items_[end_++]; }

 private:
  std::array<Item, kMost> items_;
  std::size_t first_ = 0;
  std::size_t end_ = 0;
};

class Stream {
 public:
  Stream(std::uint32_t image, std::uint32_t thread, std::uint32_t os_tid)
      : image_(image), thread_(thread), os_tid_(os_tid) {}

  std::uint32_t image() const { return image_; }
  std::uint32_t thread() const { return thread_; }  // number in its image; 0: definitions
  std::uint32_t os_tid() const { return os_tid_; }

  // Words up to the noted position, in one chunk.
  const std::uint64_t* words() const { return cursor_; }
  std::size_t readable() const { return static_cast<std::size_t>(limit_ - cursor_); }
  void consume(std::size_t words) { cursor_ += words; }
  // There were `count` repeats of the two words before `behind`, some of which may have been taken before that was
  // written down. False: there are no such words.
  bool add_repeats(const std::uint64_t* behind, std::uint64_t count) {
    if (!begin_repeats(behind)) return false;
    repeats += count - std::min<std::uint64_t>(count, repeats_taken_);
    repeats_taken_ = 0;
    return true;
  }

  // What the reader of the stream remembers.
  std::uint64_t stamp = 0;                  // of the blocks to come
  std::array<std::uint64_t, 2> repeated{};  // a block's beginning and end, short forms
  std::uint64_t repeats = 0;                // items still to come, in turn like these two
  bool repeats_end = false;                 // the next of them is the deallocation
  ThreadId id{};
  Image* owner = nullptr;
  Upcoming upcoming;
  std::vector<StackId> stacks[MEMRAY_STACK_KINDS];  // outermost first; each entry is the stack down to that depth
  std::vector<std::byte> definition;                // parts read so far
  bool waiting = false;                             // the stacks of the next item are not known before its time
  std::vector<std::uint64_t> changes;               // stack change items that wait for the time of the next item

 private:
  friend class Streams;
  struct Piece {
    std::uint32_t chunk;
    std::uint32_t words;    // readable, as noted
    std::uint32_t repeats;  // behind them, as noted
    bool full;
  };

  bool begin_repeats(const std::uint64_t* behind) {
    if (repeats_taken_ != 0) return true;
    if (behind - begin_ < 2 || session::family_of(behind[-2]) != session::kAllocation ||
        session::family_of(behind[-1]) != session::kDeallocation)
      return false;
    repeated = {behind[-2], behind[-1]};
    repeats_end = false;
    return true;
  }

  std::uint32_t image_;
  std::uint32_t thread_;
  std::uint32_t os_tid_;
  std::map<std::uint32_t, Piece> pieces_;  // by sequence
  std::uint32_t sequence_ = 0;             // of the piece being read
  const std::uint64_t* begin_ = nullptr;   // of its words
  const std::uint64_t* cursor_ = nullptr;
  const std::uint64_t* limit_ = nullptr;
  std::uint32_t repeats_taken_ = 0;  // of those behind the words of the latest piece
  std::uint32_t idle_ticks_ = 0;
  bool dead_ = false;
};

class Streams {
 public:
  // `made` is called for each new stream.
  Streams(void* session, std::function<void(Stream&)> made);

  // Finds new chunks and notes how far each stream is committed: those of definitions, or the others.
  void note_positions(bool definitions);

  // Goes on to the next chunk of `stream` when the present one is read and there is another. False: nothing to read.
  bool advance(Stream& stream) {
    return stream.repeats != 0 || stream.cursor_ != stream.limit_ || next_piece(stream) || take_repeats(stream);
  }

  // Takes back the chunks of threads that are gone. `alive` is asked about threads that have been silent for a while;
  // `thorough`: chunks are short, look more closely.
  void collect_dead(const std::function<bool(const Stream&)>& alive, bool thorough);

  std::vector<std::unique_ptr<Stream>>& all() { return streams_; }
  std::uint32_t chunks_in_use() const;

  // Memory of the session that the program has touched, so part of its resident set: about this many bytes.
  std::uint64_t touched_bytes() const { return touched_pages_ * 4096; }

 private:
  bool next_piece(Stream& stream);
  bool take_repeats(Stream& stream);
  void give_back(std::uint32_t chunk);
  void announce_dead(const Stream& stream);

  void* session_;
  std::function<void(Stream&)> made_;
  std::vector<std::unique_ptr<Stream>> streams_;
  std::unordered_map<std::uint64_t, Stream*> by_thread_;
  std::vector<Stream*> owner_;         // of each chunk
  std::vector<std::uint8_t> touched_;  // pages of each chunk
  std::uint64_t touched_pages_ = 0;
  std::uint32_t in_use_ = 0;
};

}  // namespace memray::collector
