// A rule: how to get from nearly any frame to its caller's, in one word. What it cannot say is left to step.h.
#pragma once

#include "frame_rules.h"

namespace memray::native {

enum class RuleKind : std::uint8_t {
  none,     // not known yet
  simple,   // see below
  end,      // there is no caller
  complex,  // only step() can tell
  absent,   // there is no unwind information
};

// Of a simple rule: the CFA is `cfa_offset` behind the stack or frame pointer, the return address is in memory next to
// it, and the frame pointer is either there too or still in its register.
class Rule {
 public:
  constexpr Rule() = default;
  constexpr explicit Rule(std::uint64_t bits) : bits_(bits) {}
  constexpr explicit Rule(RuleKind kind) : bits_(static_cast<std::uint64_t>(kind)) {}

  static constexpr std::int64_t kLargestCfaOffset = (std::int64_t{1} << 26) - 1;
  static constexpr std::int64_t kLargestSlotOffset = 8 * ((1 << 15) - 1);

  static constexpr Rule simple(bool from_frame_pointer, std::int64_t cfa_offset, std::int64_t return_address_offset,
                               bool frame_pointer_saved, std::int64_t frame_pointer_offset) {
    return Rule(static_cast<std::uint64_t>(RuleKind::simple) | std::uint64_t{from_frame_pointer} << 3 |
                std::uint64_t{frame_pointer_saved} << 4 |
                (static_cast<std::uint64_t>(cfa_offset) & ((1u << 27) - 1)) << 5 |
                (static_cast<std::uint64_t>(return_address_offset / 8) & 0xffff) << 32 |
                (static_cast<std::uint64_t>(frame_pointer_offset / 8) & 0xffff) << 48);
  }

  constexpr std::uint64_t bits() const { return bits_; }
  constexpr RuleKind kind() const { return static_cast<RuleKind>(bits_ & 7); }
  constexpr bool from_frame_pointer() const { return (bits_ >> 3 & 1) != 0; }
  constexpr bool frame_pointer_saved() const { return (bits_ >> 4 & 1) != 0; }
  constexpr std::int64_t cfa_offset() const { return static_cast<std::int64_t>(bits_ << 32) >> 37; }
  constexpr std::int64_t return_address_offset() const { return static_cast<std::int64_t>(bits_ << 16) >> 48 << 3; }
  constexpr std::int64_t frame_pointer_offset() const { return static_cast<std::int64_t>(bits_) >> 48 << 3; }

  friend constexpr bool operator==(Rule, Rule) = default;

 private:
  std::uint64_t bits_ = 0;
};

// What `rules` come to.
Rule compile(const FrameDescription& description, const FrameRules& rules);

// The rule for code at `pc`, from the unwind information of its object.
Rule derive_rule(Word pc, RuleScratch& scratch);

}  // namespace memray::native
