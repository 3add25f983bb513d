// From a value to its number, for tables whose values live in an array elsewhere: open addressing with linear probing
// over slots of eight bytes, a number and 32 bits of hash: they reject most wrong ones without a look at the values,
// and where the table grows they say where entries go.
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
    const auto wanted = static_cast<std::uint32_t>(hash);
    for (std::size_t i = wanted & mask_;; i = (i + 1) & mask_) {
      const Slot& slot = slots_[i];
      if (slot.number == kNone) return kNone;
      if (slot.hash == wanted && equal(slot.number)) return slot.number;
    }
  }

  // `number` must not be there yet.
  void insert(std::uint64_t hash, std::uint32_t number) {
    if ((count_ + 1) * 2 > slots_.size()) grow();
    place({number, static_cast<std::uint32_t>(hash)});
    ++count_;
  }

 private:
  struct Slot {
    std::uint32_t number = kNone;
    std::uint32_t hash = 0;
  };

  void place(const Slot& slot) {
    std::size_t i = slot.hash & mask_;
    while (slots_[i].number != kNone) i = (i + 1) & mask_;
    slots_[i] = slot;
  }

  void grow() {
    const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slots_.size() * 2));
    mask_ = slots_.size() - 1;
    for (const Slot& slot : old)
      if (slot.number != kNone) place(slot);
  }

  std::vector<Slot> slots_ = std::vector<Slot>(64);
  std::size_t mask_ = 63;
  std::size_t count_ = 0;
};

}  // namespace memray
