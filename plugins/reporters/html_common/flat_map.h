// A hash table from 64-bit keys to 32-bit values, made for trees with millions of edges: open addressing with linear
// probing in one array, at most half full, no erase. A lookup costs one cache miss, as against two or three in a table
// of nodes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace memray::html {

class FlatMap {
 public:
  static constexpr std::uint32_t kNone = 0xffff'ffff;

  // The value at `key`, for the caller to fill in if it is kNone. Valid until the next call. Any key but ~0.
  std::uint32_t& operator[](std::uint64_t key) {
    if (used_ * 2 >= slots_.size()) grow();
    Slot& slot = find(key);
    if (slot.key != key) {
      slot.key = key;
      ++used_;
    }
    return slot.value;
  }

 private:
  struct Slot {
    std::uint64_t key = kFree;
    std::uint32_t value = kNone;
  };
  static constexpr std::uint64_t kFree = ~std::uint64_t{0};

  Slot& find(std::uint64_t key) {
    std::size_t i = (key * 0x9e37'79b9'7f4a'7c15u) >> shift_;
    while (slots_[i].key != key && slots_[i].key != kFree) i = (i + 1) & (slots_.size() - 1);
    return slots_[i];
  }

  void grow() {
    std::vector<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    --shift_;
    for (const Slot& slot : old) {
      if (slot.key != kFree) find(slot.key) = slot;
    }
  }

  std::vector<Slot> slots_ = std::vector<Slot>(1024);
  unsigned shift_ = 54;
  std::size_t used_ = 0;
};

}  // namespace memray::html
