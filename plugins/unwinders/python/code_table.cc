// The table is an open-addressing hash of code address -> number, shared by all threads, without a lock. A slot's
// address is set once, by compare-and-swap, and stays; its number comes and goes: 0 while the address holds nothing
// that has been described. A number is published only after host->define_code has returned, so whoever reads it may use
// it. Two threads that meet a new code object at the same moment describe it twice; the number published first is the
// one that both use, so that equal stacks of two threads are equal words.
//
// Code objects die, and CPython uses their memory again, often for the next code object. CPython's own ways to hear of
// that (a destructor on co_extra up to 3.11, code watchers from 3.12 on) are different by version, have few slots, and
// want a call with the GIL held for each object. Instead PyCode_Type's deallocator is replaced, on every version alike,
// by one that takes the number away before it calls the original. The address was ours to forget before anybody could
// reuse it, so this is exact.
//
// One trap: while the original runs, weakref callbacks may run Python code above a frame (3.11) that still points to
// the dying object, whose strings are gone already. So each thread keeps a list, in its stack, of the objects that it
// is destroying; those keep the numbers they had and are never read.
#include "code_table.h"

#include "frame.h"
#include "threads.h"

#include <sys/mman.h>

#include <atomic>

namespace memray::python {

std::atomic<std::uint32_t> generation_of_codes{1};

namespace {

struct Slot {
  std::atomic<std::uintptr_t> code;
  std::atomic<std::uint32_t> number;
};

// 16 MiB of address space, of which only pages with code objects in them become memory.
constexpr std::uint32_t kSlots = 1u << 20;
constexpr std::uint32_t kLongestProbe = 128;
constexpr std::size_t kTableBytes = kSlots * sizeof(Slot);

std::atomic<Slot*> table{nullptr};
std::atomic<std::uint32_t> last_number{0};
std::atomic<bool> warned_full{false};

struct Dying {
  std::uintptr_t code;
  std::uint32_t number;
  const Dying* outer;
};
__thread const Dying* dying = nullptr;

using Deallocate = void (*)(std::uintptr_t);
std::atomic<Deallocate> original{nullptr};

std::uint32_t home_of(std::uintptr_t code) {
  return static_cast<std::uint32_t>((code >> 4) * 0x9e37'79b9'7f4a'7c15ull >> 44);
}

// The slot of `code`, or nullptr; with `add`, a free one is taken if there is none.
Slot* slot_of(std::uintptr_t code, bool add) {
  Slot* slots = table.load(std::memory_order_acquire);
  if (!slots) return nullptr;
  std::uint32_t at = home_of(code);
  for (std::uint32_t probe = 0; probe < kLongestProbe; ++probe, at = (at + 1) % kSlots) {
    Slot& slot = slots[at];
    std::uintptr_t there = slot.code.load(std::memory_order_acquire);
    if (there == code) return &slot;
    if (there != 0) continue;
    if (!add) return nullptr;
    if (slot.code.compare_exchange_strong(there, code, std::memory_order_acq_rel) || there == code) return &slot;
  }
  return nullptr;
}

__attribute__((noinline, cold)) std::uint32_t describe(const Runtime& runtime, std::uintptr_t code, TextBuffer buffer) {
  for (const Dying* d = dying; d; d = d->outer) {
    if (d->code == code) return d->number;
  }
  memray_code description;
  if (!read_code(runtime, code, buffer, description)) return 0;
  file_noticed(runtime, description.file, description.file_size);
  Slot* slot = slot_of(code, true);
  if (!slot) {
    if (table.load(std::memory_order_relaxed) && !warned_full.exchange(true)) {
      host->warn("too many Python code objects: functions beyond the first million are left out of stacks");
    }
    return 0;
  }
  description.number = last_number.fetch_add(1, std::memory_order_relaxed) + 1;
  if (description.number >> 31 || !host->define_code(&description)) return 0;
  std::uint32_t first = 0;
  const bool ours = slot->number.compare_exchange_strong(first, description.number, std::memory_order_acq_rel);
  return ours ? description.number : first;
}

void code_dies(std::uintptr_t code) {
  // First, so that a signal handler that finds the number gone does not give it another one.
  Dying self{code, 0, dying};
  dying = &self;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  if (Slot* slot = slot_of(code, false)) self.number = slot->number.exchange(0, std::memory_order_relaxed);
  if (self.number != 0) generation_of_codes.fetch_add(1, std::memory_order_release);
  original.load(std::memory_order_relaxed)(code);
  dying = self.outer;
}

std::atomic<Deallocate>& deallocator_slot(const Runtime& runtime) {
  return *reinterpret_cast<std::atomic<Deallocate>*>(runtime.code_type.address + runtime.layout.type_dealloc);
}

}  // namespace

std::uint32_t number_of_code(const Runtime& runtime, std::uintptr_t code, TextBuffer buffer) {
  if (const Slot* slot = slot_of(code, false)) {
    const std::uint32_t number = slot->number.load(std::memory_order_acquire);
    if (number != 0) return number;
  }
  return describe(runtime, code, buffer);
}

bool watch_code(const Runtime& runtime) {
  Slot* slots = table.load(std::memory_order_acquire);
  if (!slots) {
    slots = static_cast<Slot*>(host->map(kTableBytes));
    if (!slots) return false;
  }
  std::atomic<Deallocate>& slot = deallocator_slot(runtime);
  if (slot.load(std::memory_order_acquire) != code_dies) {
    original.store(slot.load(std::memory_order_acquire), std::memory_order_relaxed);
    slot.store(code_dies, std::memory_order_release);
  }
  // Code objects may have died unseen since the last recording. Not memset: this gives the pages back.
  madvise(slots, kTableBytes, MADV_DONTNEED);
  table.store(slots, std::memory_order_release);
  generation_of_codes.fetch_add(1, std::memory_order_release);
  return true;
}

void unwatch_code(const Runtime& runtime) {
  // If somebody else has replaced the deallocator since, ours stays below theirs, and does no harm there.
  Deallocate ours = code_dies;
  deallocator_slot(runtime).compare_exchange_strong(ours, original.load(std::memory_order_relaxed),
                                                    std::memory_order_acq_rel);
}

}  // namespace memray::python
