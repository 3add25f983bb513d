// From a value to its number, for tables whose values live in an array elsewhere: open addressing with linear probing
// over slots of eight bytes, a number and 32 bits of hash to reject most wrong ones without a look at the values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace memray {

constexpr std::uint64_t mix(std::uint64_t value) {
  value *= 0x9e37'79b9'7f4a'7c15u;
  return value ^ (value >> 32);
}
constexpr std::uint64_t mix(std::uint64_t a, std::uint64_t b) { return mix(mix(a) + b); }

class InternTable {
 public:
  static constexpr std::uint32_t kNone = 0xffff'ffff;

  // The number for which `equal(number)` holds, or kNone.
  template <typename Equal>
  std::uint32_t find(std::uint64_t hash, Equal equal) const {
    const std::uint32_t tag = tag_of(hash);
    for (std::size_t i = hash & mask_;; i = (i + 1) & mask_) {
      const Slot& slot = slots_[i];
      if (slot.number == kNone) return kNone;
      if (slot.tag == tag && equal(slot.number)) return slot.number;
    }
  }

  // `number` must not be there yet. `hash_of(number)` must be able to name the hash of every number inserted.
  template <typename HashOf>
  void insert(std::uint64_t hash, std::uint32_t number, HashOf hash_of) {
    if ((count_ + 1) * 2 > slots_.size()) grow(hash_of);
    place(hash, number);
    ++count_;
  }

 private:
  struct Slot {
    std::uint32_t number = kNone;
    std::uint32_t tag = 0;
  };

  static std::uint32_t tag_of(std::uint64_t hash) { return static_cast<std::uint32_t>(hash >> 32); }

  void place(std::uint64_t hash, std::uint32_t number) {
    std::size_t i = hash & mask_;
    while (slots_[i].number != kNone) i = (i + 1) & mask_;
    slots_[i] = {number, tag_of(hash)};
  }

  template <typename HashOf>
  void grow(HashOf hash_of) {
    const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slots_.size() * 2));
    mask_ = slots_.size() - 1;
    for (const Slot& slot : old)
      if (slot.number != kNone) place(hash_of(slot.number), slot.number);
  }

  std::vector<Slot> slots_ = std::vector<Slot>(64);
  std::size_t mask_ = 63;
  std::size_t count_ = 0;
};

}  // namespace memray
