// A map from 64-bit words to frames: open addressing, linear probing, half full at most. Looked up once
// for every frame of every stack change, so it is the collector's second hottest table (the first is the stack tree).
#pragma once

#include <memray/types.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace memray::collector {

class WordMap {
 public:
  // The value for `word`; where there is none yet, `make()` is stored.
  template <typename Make>
  FrameId get(std::uint64_t word, Make&& make) {
    for (std::size_t i = slot(word);; i = (i + 1) & mask_) {
      if (entries_[i].word == word && entries_[i].used) return entries_[i].frame;
      if (!entries_[i].used) return insert(word, make());
    }
  }

  void clear() { *this = {}; }

 private:
  struct Entry {
    std::uint64_t word = 0;
    FrameId frame{};
    bool used = false;
  };

  std::size_t slot(std::uint64_t word) const { return (word * 0x9e37'79b9'7f4a'7c15ull >> 20) & mask_; }

  FrameId insert(std::uint64_t word, FrameId frame) {
    if (2 * (size_ + 1) > entries_.size()) grow();
    place({word, frame, true});
    ++size_;
    return frame;
  }

  void place(const Entry& entry) {
    std::size_t i = slot(entry.word);
    while (entries_[i].used) i = (i + 1) & mask_;
    entries_[i] = entry;
  }

  void grow() {
    std::vector<Entry> old(entries_.size() * 2);
    old.swap(entries_);
    mask_ = entries_.size() - 1;
    for (const Entry& entry : old) {
      if (entry.used) place(entry);
    }
  }

  std::vector<Entry> entries_ = std::vector<Entry>(1024);
  std::size_t mask_ = 1023;
  std::size_t size_ = 0;
};

}  // namespace memray::collector
