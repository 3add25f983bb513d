// All threads share the table (number_table.h). A number is published only after host->define_code has returned, so
// whoever reads it may use it. Two threads that meet a new code object at the same moment describe it twice; the number
// published first is the one that both use, so that equal stacks of two threads are equal words.
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
#include "number_table.h"
#include "threads.h"

#include <atomic>

namespace memray::python {

std::atomic<std::uint32_t> generation_of_codes{1};

namespace {

NumberTable table;
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

__attribute__((noinline, cold)) std::uint32_t describe(const Runtime& runtime, std::uintptr_t code, TextBuffer buffer) {
  for (const Dying* d = dying; d; d = d->outer) {
    if (d->code == code) return d->number;
  }
  memray_code description;
  if (!read_code(runtime, code, buffer, description)) return 0;
  file_noticed(runtime, description.file, description.file_size);
  NumberTable::Slot* slot = table.find(code, true);
  if (!slot) {
    if (table.exists() && !warned_full.exchange(true)) {
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
  if (auto* slot = table.find(code, false)) self.number = slot->number.exchange(0, std::memory_order_relaxed);
  if (self.number != 0) generation_of_codes.fetch_add(1, std::memory_order_release);
  original.load(std::memory_order_relaxed)(code);
  dying = self.outer;
}

std::atomic<Deallocate>& deallocator_slot(const Runtime& runtime) {
  return *reinterpret_cast<std::atomic<Deallocate>*>(runtime.code_type.address + runtime.layout.type_dealloc);
}

}  // namespace

std::uint32_t number_of_code(const Runtime& runtime, std::uintptr_t code, TextBuffer buffer) {
  const std::uint32_t number = table.number(code);
  if (number != 0) return number;
  return describe(runtime, code, buffer);
}

bool watch_code(const Runtime& runtime) {
  std::atomic<Deallocate>& slot = deallocator_slot(runtime);
  if (slot.load(std::memory_order_acquire) != code_dies) {
    original.store(slot.load(std::memory_order_acquire), std::memory_order_relaxed);
    slot.store(code_dies, std::memory_order_release);
  }
  // Code objects may have died unseen since the last recording.
  if (!table.begin(*host)) return false;
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
