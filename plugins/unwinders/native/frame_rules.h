// How to get from a frame to its caller's, at one address: the row of DWARF's table of call frame information.
#pragma once

#include "frame_description.h"
#include "machine.h"

namespace memray::native {

using machine::kRegisters;

enum class Where : std::uint8_t {
  same,           // the register holds what it held in the caller
  undefined,      // it cannot be known. Of the return address: there is no caller
  at_offset,      // in memory, `value` behind the frame's end (the CFA)
  is_offset,      // it is the CFA plus `value`
  in_register,    // in register number `value`
  at_expression,  // in memory, where the DWARF expression at address `value` says
  is_expression,  // it is what that expression says
};

struct RegisterRule {
  Where where;
  std::int64_t value;
};

// The canonical frame address: the stack pointer of the caller once its call has returned.
struct CfaRule {
  bool is_expression;
  std::uint32_t base;  // a register
  std::int64_t value;  // offset from it, or the expression's address
};

struct FrameRules {
  CfaRule cfa;
  RegisterRule registers[kRegisters];
  bool signed_return_address;  // aarch64, for the instructions that toggle it
};

// Memory for finding rules, too large for the stacks of signal handlers.
struct RuleScratch {
  static constexpr std::uint32_t kRemembered = 8;
  FrameRules rules;  // the result
  FrameRules initial;
  FrameRules remembered[kRemembered];
};

// Executes the instructions of `description` up to `pc`. False: it has some that we do not know.
bool find_frame_rules(const FrameDescription& description, Word pc, RuleScratch& scratch);

}  // namespace memray::native
