// Rules by address, for all threads.
//
// A table of slots, each a key and a rule, written and read without a lock. A slot's two words are stored one after the
// other, so a reader may see the key of one rule with another rule. Therefore the key is stored scrambled with the rule
// that it belongs to: words that do not belong together do not yield the key that is looked for.
//
// The key is the address and, in its upper 16 bits, the generation of loaded objects, so that a dlclose empties the
// table by making all its keys wrong.
//
// To look a rule up, the address must be known, and that is read from the stack at the place that the rule before
// tells: step by step, each waits for the one before. But a frame has mostly the caller that it had last time. So a
// slot also says where the rule was that came after it. The processor goes on with that one, and checks later that it
// is the right one: a branch that it predicts.
//
// Tables are small, to lie on few pages, until a program needs more. A larger one takes over empty, and the smaller one
// stays, as others may be reading it.
#pragma once

#include "rule.h"

#include <memray/unwinder.h>

#include <atomic>

namespace memray::native {

class RuleTable {
 public:
  static constexpr std::uint32_t kSmallest = 1u << 12;
  static constexpr std::uint32_t kLargest = 1u << 16;
  static constexpr std::uint32_t kNowhere = ~0u;

  static std::size_t bytes(std::uint32_t slots) { return sizeof(RuleTable) + std::size_t{slots} * sizeof(Slot); }

  // `memory`: bytes(slots) of zeroes.
  static RuleTable* make(void* memory, std::uint32_t slots) {
    auto* table = static_cast<RuleTable*>(memory);
    table->slots_ = slots;
    return table;
  }

  static std::uint64_t key(Word pc, std::uint32_t generation) {
    return (pc & ((Word{1} << 48) - 1)) | std::uint64_t{generation} << 48;
  }

  // RuleKind::none: the slot has no rule for `key`.
  Rule rule_in(std::uint32_t slot, std::uint64_t key) const {
    const std::uint64_t rule = slot_at(slot).rule.load(std::memory_order_relaxed);
    const std::uint64_t stored = slot_at(slot).key.load(std::memory_order_relaxed);
    return __builtin_expect((stored ^ scramble(rule)) == key, true) ? Rule(rule) : Rule();
  }

  // The slot with the rule for `key`, or kNowhere.
  std::uint32_t find(std::uint64_t key) const {
    const std::uint32_t home = home_of(key);
    if (rule_in(home, key).kind() != RuleKind::none) return home;
    return rule_in(home ^ 1, key).kind() != RuleKind::none ? home ^ 1 : kNowhere;
  }

  // Returns the slot.
  std::uint32_t add(std::uint64_t key, Rule rule) {
    const std::uint32_t home = home_of(key);
    const std::uint64_t displaced = slot_at(home).rule.load(std::memory_order_relaxed);
    if (displaced != 0) {
      const std::uint64_t its_key = slot_at(home).key.load(std::memory_order_relaxed) ^ scramble(displaced);
      store(slot_at(home ^ 1), its_key, displaced);
    }
    store(slot_at(home), key, rule.bits());
    used_.fetch_add(1, std::memory_order_relaxed);
    return home;
  }

  // The slot that was looked at after this one.
  std::uint32_t next(std::uint32_t slot) const { return slot_at(slot).next.load(std::memory_order_relaxed); }
  void set_next(std::uint32_t slot, std::uint32_t next) { slot_at(slot).next.store(next, std::memory_order_relaxed); }

  std::uint32_t slots() const { return slots_; }
  bool is_crowded() const { return slots_ < kLargest && used_.load(std::memory_order_relaxed) > slots_ / 4; }

 private:
  struct Slot {
    std::atomic<std::uint64_t> key;
    std::atomic<std::uint64_t> rule;
    std::atomic<std::uint32_t> next;
    std::uint32_t padding[3];
  };

  static std::uint64_t scramble(std::uint64_t rule) { return rule * 0x9e37'79b9'7f4a'7c15u; }
  std::uint32_t home_of(std::uint64_t key) const {
    return static_cast<std::uint32_t>((key * 0xff51'afd7'ed55'8ccdu) >> 48) & (slots_ - 1);
  }
  static void store(Slot& slot, std::uint64_t key, std::uint64_t rule) {
    slot.rule.store(rule, std::memory_order_relaxed);
    slot.key.store(key ^ scramble(rule), std::memory_order_relaxed);
  }
  Slot& slot_at(std::uint32_t i) { return reinterpret_cast<Slot*>(this + 1)[i]; }
  const Slot& slot_at(std::uint32_t i) const { return reinterpret_cast<const Slot*>(this + 1)[i]; }

  std::uint32_t slots_;  // a power of two
  std::atomic<std::uint32_t> used_;
  std::uint32_t padding_[6];
};

// The table that is in use.
class RuleCache {
 public:
  // False: out of memory.
  bool begin(const memray_unwinder_host& host) {
    host_ = &host;
    RuleTable* const table = new_table(RuleTable::kSmallest);
    table_.store(table, std::memory_order_release);
    return table != nullptr;
  }

  RuleTable& table() const { return *table_.load(std::memory_order_acquire); }

  // To be called now and then. Where there is no memory, the table stays as it is.
  void grow_if_crowded(RuleTable& table) {
    if (!table.is_crowded() || table_.load(std::memory_order_relaxed) != &table) return;
    RuleTable* const larger = new_table(table.slots() * 4);
    RuleTable* before = &table;
    if (larger && !table_.compare_exchange_strong(before, larger, std::memory_order_acq_rel))
      host_->unmap(larger, RuleTable::bytes(larger->slots()));
  }

 private:
  RuleTable* new_table(std::uint32_t slots) {
    void* const memory = host_->map(RuleTable::bytes(slots));
    return memory ? RuleTable::make(memory, slots) : nullptr;
  }

  const memray_unwinder_host* host_ = nullptr;
  std::atomic<RuleTable*> table_{nullptr};
};

}  // namespace memray::native
