// What a reader remembers of live allocations, by number.
//
// A capture with a billion allocations must be read in memory for those that live at one moment. Numbers are handed out
// in order and most allocations die young, so the table is cut into chunks of consecutive numbers: a chunk is freed
// when its last allocation is gone, and when few are left these move to a hash table. At least one entry in eight of a
// chunk that is kept is live, but for the newest.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

namespace memray::format {

struct LiveAllocation {
  static constexpr std::uint32_t kNoSite = 0xffff'ffff;

  std::uint64_t address = 0;
  std::uint64_t size = 0;
  std::uint32_t site = kNoSite;
};

class AllocationWindow {
 public:
  // Allocations come with consecutive numbers, from `first` on.
  explicit AllocationWindow(std::uint64_t first) : base_(first / kChunk), next_(first) {}

  void append(const LiveAllocation& allocation) {
    const std::size_t slot = next_ % kChunk;
    const std::size_t chunk = static_cast<std::size_t>(next_ / kChunk - base_);
    if (chunk == chunks_.size()) [[unlikely]] {
      if (chunk > 0) retire_if_sparse(chunk - 1);
      chunks_.push_back(spare_ ? std::move(spare_) : std::make_unique<Chunk>());
      chunks_.back()->reset();
    }
    chunks_[chunk]->entries[slot] = allocation;
    ++chunks_[chunk]->live;
    ++next_;
  }

  // nullptr if it is not live. Valid until the next append or erase.
  LiveAllocation* find(std::uint64_t number) {
    if (number >= next_ || number / kChunk < base_) return nullptr;
    if (Chunk* const chunk = chunks_[number / kChunk - base_].get()) {
      LiveAllocation& entry = chunk->entries[number % kChunk];
      return entry.site != LiveAllocation::kNoSite ? &entry : nullptr;
    }
    const auto place = survivors_.find(number);
    return place != survivors_.end() ? &place->second : nullptr;
  }

  // `number` must be live.
  void erase(std::uint64_t number) {
    const std::size_t index = static_cast<std::size_t>(number / kChunk - base_);
    Chunk* const chunk = chunks_[index].get();
    if (chunk == nullptr) {
      survivors_.erase(number);
      return;
    }
    chunk->entries[number % kChunk].site = LiveAllocation::kNoSite;
    --chunk->live;
    if (index + 1 < chunks_.size()) retire_if_sparse(index);
  }

  // Drops all allocations for which `gone(const LiveAllocation&)` holds.
  template <typename Gone>
  void erase_if(Gone gone) {
    std::erase_if(survivors_, [&](const auto& pair) { return gone(pair.second); });
    for (std::size_t i = 0; i < chunks_.size(); ++i) {
      if (!chunks_[i]) continue;
      for (LiveAllocation& entry : chunks_[i]->entries) {
        if (entry.site == LiveAllocation::kNoSite || !gone(entry)) continue;
        entry.site = LiveAllocation::kNoSite;
        --chunks_[i]->live;
      }
      if (i + 1 < chunks_.size()) retire_if_sparse(i);
    }
  }

  std::uint64_t next_number() const { return next_; }

  // Bytes held, roughly: for tests.
  std::size_t footprint() const {
    std::size_t bytes = chunks_.size() * sizeof(void*) + survivors_.size() * sizeof(LiveAllocation) * 2;
    for (const auto& chunk : chunks_) bytes += chunk ? sizeof(Chunk) : 0;
    return bytes;
  }

 private:
  static constexpr std::size_t kChunk = 4096;
  static constexpr std::size_t kSparse = kChunk / 8;

  struct Chunk {
    std::array<LiveAllocation, kChunk> entries;
    std::size_t live;
    void reset() {
      entries.fill(LiveAllocation{});
      live = 0;
    }
  };

  void retire_if_sparse(std::size_t index) {
    if (!chunks_[index] || chunks_[index]->live >= kSparse) return;
    const std::uint64_t first = (base_ + index) * kChunk;
    for (std::size_t i = 0; i < kChunk; ++i)
      if (chunks_[index]->entries[i].site != LiveAllocation::kNoSite)
        survivors_.emplace(first + i, chunks_[index]->entries[i]);
    spare_ = std::move(chunks_[index]);
  }

  std::uint64_t base_;  // number of the first chunk
  std::uint64_t next_;
  std::vector<std::unique_ptr<Chunk>> chunks_;  // null once retired
  std::unique_ptr<Chunk> spare_;
  std::unordered_map<std::uint64_t, LiveAllocation> survivors_;
};

}  // namespace memray::format
