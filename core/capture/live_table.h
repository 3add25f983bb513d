// The heap blocks that are live in one process, by address: open addressing with linear probing over entries of 16
// bytes, four to a cache line, between three eighths and three quarters full: 21 to 43 bytes for each live block.
// Deletion shifts later entries back, so there are no tombstones and a table that lives for hours stays as quick as a
// new one.
//
// Sixteen neighbours in memory, 256 bytes, are neighbours in the table, because programs like to free what lies
// together. Larger pieces are scattered: where whole pages of small blocks stayed together, two of them that met would
// make a run of thousands of entries.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace memray {

class LiveBlock {
 public:
  static constexpr std::uint64_t kMaxNumber = (std::uint64_t{1} << 48) - 1;

  LiveBlock() = default;
  LiveBlock(std::uint64_t address, std::uint64_t number, std::uint32_t site)
      : high_(address << 16 | number >> 32), low_(number << 32 | site) {}

  bool is_free() const { return high_ == 0; }
  std::uint64_t number() const { return (high_ & 0xffff) << 32 | low_ >> 32; }
  std::uint32_t site() const { return static_cast<std::uint32_t>(low_); }

 private:
  friend class LiveTable;
  std::uint64_t high_ = 0;  // address (48 bits), number (16 bits); 0: the slot is free
  std::uint64_t low_ = 0;   // number (32 bits), site
};

class LiveTable {
 public:
  // Of addresses the lower 48 bits count: what is above are tags of one and the same address.
  // nullptr if there is none. Valid until the next call that is not const.
  LiveBlock* find(std::uint64_t address) {
    const std::uint64_t wanted = address << 16;
    for (std::size_t i = home(wanted);; i = (i + 1) & mask_) {
      if (slots_[i].high_ == 0) return nullptr;
      if ((slots_[i].high_ ^ wanted) < 0x1'0000) return &slots_[i];
    }
  }

  // The block at `address`, which is not 0, or the free place for it. Valid until the next call that is not const.
  LiveBlock* place_for(std::uint64_t address) {
    if ((count_ + 1) * 4 > slots_.size() * 3) [[unlikely]]
      resize(slots_.size() * 2);
    const std::uint64_t wanted = address << 16;
    std::size_t i = home(wanted);
    while (slots_[i].high_ != 0 && (slots_[i].high_ ^ wanted) >= 0x1'0000) i = (i + 1) & mask_;
    return &slots_[i];
  }
  void insert(LiveBlock* place, const LiveBlock& block) {
    *place = block;
    ++count_;
  }

  void erase(LiveBlock* block) {
    std::size_t hole = static_cast<std::size_t>(block - slots_.data());
    for (std::size_t i = (hole + 1) & mask_; slots_[i].high_ != 0; i = (i + 1) & mask_) {
      // An entry may move to the hole unless its home lies behind the hole.
      if (((i - home(slots_[i].high_)) & mask_) < ((i - hole) & mask_)) continue;
      slots_[hole] = slots_[i];
      hole = i;
    }
    slots_[hole] = {};
    --count_;
  }

  // `address` will be asked for soon.
  void prefetch(std::uint64_t address) const { __builtin_prefetch(&slots_[home(address << 16)]); }

  std::size_t count() const { return count_; }
  std::size_t footprint() const { return slots_.size() * sizeof(LiveBlock); }

 private:
  std::size_t home(std::uint64_t high) const {
    const std::uint64_t scattered = (high >> 24) * 0x9e37'79b9'7f4a'7c15u >> 20;
    return ((scattered & ~std::uint64_t{15}) | (high >> 20 & 15)) & mask_;
  }

  void place(const LiveBlock& block) {
    std::size_t i = home(block.high_);
    while (slots_[i].high_ != 0) i = (i + 1) & mask_;
    slots_[i] = block;
  }

  void resize(std::size_t capacity) {
    const std::vector<LiveBlock> old = std::exchange(slots_, std::vector<LiveBlock>(capacity));
    mask_ = capacity - 1;
    for (const LiveBlock& block : old)
      if (block.high_ != 0) place(block);
  }

  std::vector<LiveBlock> slots_ = std::vector<LiveBlock>(1024);
  std::size_t mask_ = 1023;
  std::size_t count_ = 0;
};

}  // namespace memray
