// A map from numbers to small values: open addressing with linear probing, half full at most. Deletion shifts later
// entries back, so there are no tombstones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "capture/intern_table.h"

namespace memray {

template <typename Value>
class NumberMap {
 public:
  static constexpr std::uint64_t kNone = ~std::uint64_t{0};  // is no key

  // nullptr if there is none. Valid until the next call that is not const.
  Value* find(std::uint64_t key) {
    for (std::size_t i = home(key);; i = (i + 1) & mask_) {
      if (slots_[i].key == key) return &slots_[i].value;
      if (slots_[i].key == kNone) return nullptr;
    }
  }

  // The value of `key`, made if there is none.
  Value& operator[](std::uint64_t key) {
    if (Value* const value = find(key)) return *value;
    if ((count_ + 1) * 2 > slots_.size()) resize(slots_.size() * 2);
    ++count_;
    return place({key, Value{}}).value;
  }

  // False if there is none.
  bool erase(std::uint64_t key) {
    std::size_t hole = home(key);
    for (; slots_[hole].key != key; hole = (hole + 1) & mask_)
      if (slots_[hole].key == kNone) return false;
    for (std::size_t i = (hole + 1) & mask_; slots_[i].key != kNone; i = (i + 1) & mask_) {
      // An entry may move to the hole unless its home lies behind the hole.
      if (((i - home(slots_[i].key)) & mask_) < ((i - hole) & mask_)) continue;
      slots_[hole] = slots_[i];
      hole = i;
    }
    slots_[hole].key = kNone;
    --count_;
    return true;
  }

  template <typename F>
  void for_each(F receive) {
    for (Slot& slot : slots_)
      if (slot.key != kNone) receive(slot.key, slot.value);
  }

  template <typename F>
  void for_each(F receive) const {
    for (const Slot& slot : slots_)
      if (slot.key != kNone) receive(slot.key, slot.value);
  }

  template <typename Gone>
  void erase_if(Gone gone) {
    std::vector<std::uint64_t> keys;
    for_each([&](std::uint64_t key, const Value& value) {
      if (gone(value)) keys.push_back(key);
    });
    for (const std::uint64_t key : keys) erase(key);
  }

  std::size_t size() const { return count_; }
  std::size_t footprint() const { return slots_.size() * sizeof(Slot); }

 private:
  struct Slot {
    std::uint64_t key = kNone;
    Value value{};
  };

  std::size_t home(std::uint64_t key) const { return mix(key) & mask_; }

  Slot& place(const Slot& slot) {
    std::size_t i = home(slot.key);
    while (slots_[i].key != kNone) i = (i + 1) & mask_;
    return slots_[i] = slot;
  }

  void resize(std::size_t capacity) {
    const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(capacity));
    mask_ = capacity - 1;
    for (const Slot& slot : old)
      if (slot.key != kNone) place(slot);
  }

  std::vector<Slot> slots_ = std::vector<Slot>(64);
  std::size_t mask_ = 63;
  std::size_t count_ = 0;
};

}  // namespace memray
