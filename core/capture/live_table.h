// The heap blocks that are live in one process, by address: open addressing with linear probing over entries of 32
// bytes, two to a cache line. Deletion shifts later entries back, so there are no tombstones and a table that lives for
// hours stays as quick as a new one.
//
// The slot of an address comes from its low bits, above those that alignment makes zero, plus a scrambled copy of the
// high ones. Blocks that are neighbours in memory are neighbours in the table then, and programs like to free what lies
// together: the table is read far more often from the cache than with a hash that scatters.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace memray {

struct LiveBlock {
  static constexpr std::uint32_t kLarge = 0xffff'ffff;  // the size is kept elsewhere
  static constexpr std::uint64_t kNumberMask = (std::uint64_t{1} << 56) - 1;

  std::uint64_t address = 0;          // 0: the slot is free
  std::uint64_t number : 56 = 0;      // of the allocation
  std::uint64_t deallocator : 8 = 0;  // saves a look at the site
  std::uint64_t stamp = 0;
  std::uint32_t site = 0;
  std::uint32_t size = 0;
};

class LiveTable {
 public:
  // nullptr if there is none. Valid until the next call that is not const.
  LiveBlock* find(std::uint64_t address) {
    for (std::size_t i = home(address);; i = (i + 1) & mask_) {
      if (slots_[i].address == 0) return nullptr;
      if (slots_[i].address == address) return &slots_[i];
    }
  }

  // Its address must not be in the table, nor be 0.
  void insert(const LiveBlock& block) {
    if ((count_ + 1) * 2 > slots_.size()) [[unlikely]]
      resize(slots_.size() * 2);
    place(block);
    ++count_;
  }

  void erase(LiveBlock* block) {
    std::size_t hole = static_cast<std::size_t>(block - slots_.data());
    for (std::size_t i = (hole + 1) & mask_; slots_[i].address != 0; i = (i + 1) & mask_) {
      // An entry may move to the hole unless its home lies behind the hole.
      if (((i - home(slots_[i].address)) & mask_) < ((i - hole) & mask_)) continue;
      slots_[hole] = slots_[i];
      hole = i;
    }
    slots_[hole].address = 0;
    --count_;
  }

  std::size_t count() const { return count_; }

 private:
  std::size_t home(std::uint64_t address) const {
    const std::uint64_t line = address >> 4;
    return (line + (line >> 16) * 0x9e37'79b9'7f4a'7c15u) & mask_;
  }

  void place(const LiveBlock& block) {
    std::size_t i = home(block.address);
    while (slots_[i].address != 0) i = (i + 1) & mask_;
    slots_[i] = block;
  }

  void resize(std::size_t capacity) {
    const std::vector<LiveBlock> old = std::exchange(slots_, std::vector<LiveBlock>(capacity));
    mask_ = capacity - 1;
    for (const LiveBlock& block : old)
      if (block.address != 0) place(block);
  }

  std::vector<LiveBlock> slots_ = std::vector<LiveBlock>(1024);
  std::size_t mask_ = 1023;
  std::size_t count_ = 0;
};

}  // namespace memray
