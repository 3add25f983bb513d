// Rules by address, for all threads.
//
// One table of 64 Ki slots, each a key and a rule, written and read without a lock. A slot's two words are stored one
// after the other, so a reader may see the key of one rule with another rule. Therefore the key is stored scrambled
// with the rule that it belongs to: words that do not belong together do not yield the key that is looked for.
//
// The key is the address and, in its upper 16 bits, the generation of loaded objects, so that a dlclose empties the
// table by making all its keys wrong.
#pragma once

#include "rule.h"

#include <atomic>

namespace memray::native {

class RuleCache {
 public:
  static constexpr std::uint32_t kSlots = 1u << 16;
  static constexpr std::size_t kBytes = std::size_t{kSlots} * 16;

  // `memory`: kBytes of zeroes.
  void use(void* memory) { slots_ = static_cast<Slot*>(memory); }

  static std::uint64_t key(Word pc, std::uint32_t generation) {
    return (pc & ((Word{1} << 48) - 1)) | std::uint64_t{generation} << 48;
  }

  // RuleKind::none if there is none.
  Rule find(std::uint64_t key) const {
    const std::uint32_t home = slot_of(key);
    for (const std::uint32_t at : {home, home ^ 1}) {
      const std::uint64_t rule = slots_[at].rule.load(std::memory_order_relaxed);
      if ((slots_[at].key.load(std::memory_order_relaxed) ^ scramble(rule)) == key) return Rule(rule);
    }
    return {};
  }

  void add(std::uint64_t key, Rule rule) {
    const std::uint32_t home = slot_of(key);
    const std::uint64_t displaced = slots_[home].rule.load(std::memory_order_relaxed);
    if (displaced != 0) {
      const std::uint64_t its_key = slots_[home].key.load(std::memory_order_relaxed) ^ scramble(displaced);
      store(slots_[home ^ 1], its_key, displaced);
    }
    store(slots_[home], key, rule.bits());
  }

 private:
  struct Slot {
    std::atomic<std::uint64_t> key;
    std::atomic<std::uint64_t> rule;
  };

  static std::uint64_t scramble(std::uint64_t rule) { return rule * 0x9e37'79b9'7f4a'7c15u; }
  static std::uint32_t slot_of(std::uint64_t key) {
    return static_cast<std::uint32_t>((key * 0xff51'afd7'ed55'8ccdu) >> 48);
  }
  static void store(Slot& slot, std::uint64_t key, std::uint64_t rule) {
    slot.rule.store(rule, std::memory_order_relaxed);
    slot.key.store(key ^ scramble(rule), std::memory_order_relaxed);
  }

  Slot* slots_ = nullptr;
};

}  // namespace memray::native
