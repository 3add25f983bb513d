// What a reader remembers of live allocations, by number.
//
// A capture with a billion allocations must be read in memory for those that live at one moment. Numbers are handed out
// in order and most allocations die young, so the table is cut into chunks of consecutive numbers, which are found
// without hashing. Counting what lives in each chunk would cost more than all the rest of an event, so nothing is
// counted: an entry that ends is only marked. Now and then, when there are twice as many chunks as the time before
// left, all are looked over; from those with few live entries these move to a hash table. An entry is looked at twice
// in this way, a fraction of a nanosecond, and memory stays in proportion to what lives: entries that are kept have at
// least one in eight of their chunk alive, or are as many again.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "capture/number_map.h"

namespace memray::format {

// `Entry` has a value for which `is_gone(entry)` holds, and `mark_gone(entry)` makes it so.
template <typename Entry>
class NumberWindow {
 public:
  static constexpr std::size_t kChunk = 4096;

  // Makes room for `count` more appends. Entries may move.
  void prepare(std::size_t count) {
    while (chunks_.size() * kChunk < next_ + count) add_chunk();
  }

  // Before the first entry: numbers begin here, not at 0. Those below are never live.
  void begin_at(std::uint64_t number) {
    chunks_.resize(number / kChunk);
    next_ = number;
  }

  // Entries come with consecutive numbers, after `prepare` has made room.
  void append(const Entry& entry) {
    *slot(next_) = entry;
    ++next_;
  }

  // Where the entry of a number that room was made for is, live or not; nullptr if it may have moved to the hash table.
  Entry* slot(std::uint64_t number) {
    Chunk* const chunk = chunks_[number / kChunk].get();
    return chunk != nullptr ? &(*chunk)[number % kChunk] : nullptr;
  }

  // nullptr if it is not live. Valid until the next call of another function.
  Entry* find(std::uint64_t number) {
    if (number >= next_) return nullptr;
    Entry* const entry = slot(number);
    if (entry == nullptr) [[unlikely]]
      return survivors_.find(number);
    return is_gone(*entry) ? nullptr : entry;
  }

  // `number` must be live.
  void erase(std::uint64_t number) {
    if (Entry* const entry = slot(number)) [[likely]] {
      mark_gone(*entry);
    } else {
      survivors_.erase(number);
    }
  }

  // Calls `receive(number, entry)` for all that live, in no particular order.
  template <typename F>
  void for_each(F receive) {
    survivors_.for_each(receive);
    for (const std::size_t i : resident_)
      for (std::size_t k = 0; k < kChunk && i * kChunk + k < next_; ++k)
        if (!is_gone((*chunks_[i])[k])) receive(i * kChunk + k, (*chunks_[i])[k]);
  }

  template <typename Gone>
  void erase_if(Gone gone) {
    survivors_.erase_if(gone);
    for (const std::size_t i : resident_)
      for (Entry& entry : *chunks_[i])
        if (!is_gone(entry) && gone(entry)) mark_gone(entry);
  }

  std::uint64_t next_number() const { return next_; }
  void set_next_number(std::uint64_t next) { next_ = next; }  // within the room made, after writing to slots

  // Bytes held, roughly: for tests.
  std::size_t footprint() const {
    return chunks_.size() * sizeof(void*) + (resident_.size() + spare_.size()) * sizeof(Chunk) + survivors_.footprint();
  }

 private:
  using Chunk = std::array<Entry, kChunk>;
  static constexpr std::size_t kSparse = kChunk / 8;
  // Below this nothing is looked over: half a megabyte, which stays in the cache.
  static constexpr std::size_t kFewest = std::max<std::size_t>(4, (std::size_t{1} << 19) / sizeof(Chunk));

  void add_chunk() {
    if (resident_.size() >= limit_) sweep();
    if (spare_.empty()) {
      chunks_.push_back(std::make_unique_for_overwrite<Chunk>());
    } else {
      chunks_.push_back(std::move(spare_.back()));
      spare_.pop_back();
    }
    for (Entry& entry : *chunks_.back()) mark_gone(entry);
    resident_.push_back(chunks_.size() - 1);
  }

  void sweep() {
    std::erase_if(resident_, [&](std::size_t i) { return (i + 1) * kChunk <= next_ && retire_if_sparse(i); });
    limit_ = std::max(kFewest, resident_.size() * 2);
    spare_.resize(std::min(spare_.size(), limit_ - resident_.size()));
  }

  bool retire_if_sparse(std::size_t index) {
    Chunk& chunk = *chunks_[index];
    std::uint32_t live = 0;
    for (const Entry& entry : chunk) live += !is_gone(entry);
    if (live >= kSparse) return false;
    for (std::size_t k = 0; live > 0 && k < kChunk; ++k) {
      if (is_gone(chunk[k])) continue;
      survivors_[index * kChunk + k] = chunk[k];
      --live;
    }
    spare_.push_back(std::move(chunks_[index]));
    return true;
  }

  std::vector<std::unique_ptr<Chunk>> chunks_;  // null once retired
  std::vector<std::size_t> resident_;           // those that are not
  std::vector<std::unique_ptr<Chunk>> spare_;
  std::size_t limit_ = kFewest;
  std::uint64_t next_ = 0;
  NumberMap<Entry> survivors_;
};

}  // namespace memray::format
