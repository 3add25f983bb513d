// Numbers for addresses: an open-addressing hash, shared by all threads, without a lock. A slot's address is set once,
// by compare-and-swap, and stays; its number comes and goes: 0 while the address holds nothing that has one.
#pragma once

#include <memray/unwinder.h>

#include <sys/mman.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace memray::python {

class NumberTable {
 public:
  struct Slot {
    std::atomic<std::uintptr_t> address;
    std::atomic<std::uint32_t> number;
  };

  bool exists() const { return slots_.load(std::memory_order_relaxed) != nullptr; }

  // An empty table, whatever there was. Address space, of which only what is used becomes memory. False: there is none.
  bool begin(const memray_unwinder_host& memory) {
    Slot* slots = slots_.load(std::memory_order_acquire);
    if (!slots) slots = static_cast<Slot*>(memory.map(kSlots * sizeof(Slot)));
    if (!slots) return false;
    madvise(slots, kSlots * sizeof(Slot), MADV_DONTNEED);  // not memset: this gives the pages back
    slots_.store(slots, std::memory_order_release);
    return true;
  }

  // The slot of `address`, or nullptr; with `add`, a free one is taken if there is none.
  Slot* find(std::uintptr_t address, bool add) {
    Slot* slots = slots_.load(std::memory_order_acquire);
    if (!slots) return nullptr;
    std::uint32_t at = home_of(address);
    for (std::uint32_t probe = 0; probe < kLongestProbe; ++probe, at = (at + 1) % kSlots) {
      Slot& slot = slots[at];
      std::uintptr_t there = slot.address.load(std::memory_order_acquire);
      if (there == address) return &slot;
      if (there != 0) continue;
      if (!add) return nullptr;
      if (slot.address.compare_exchange_strong(there, address, std::memory_order_acq_rel) || there == address) {
        return &slot;
      }
    }
    return nullptr;
  }

  // The number of `address`, 0 if it has none.
  std::uint32_t number(std::uintptr_t address) {
    const Slot* slot = find(address, false);
    return slot ? slot->number.load(std::memory_order_acquire) : 0;
  }

 private:
  static constexpr std::uint32_t kSlots = 1u << 20;
  static constexpr std::uint32_t kLongestProbe = 128;

  static std::uint32_t home_of(std::uintptr_t address) {
    return static_cast<std::uint32_t>((address >> 4) * 0x9e37'79b9'7f4a'7c15ull >> 44);
  }

  std::atomic<Slot*> slots_{nullptr};
};

}  // namespace memray::python
