// From a frame to its caller's, with all registers: exact, and not fast.
#pragma once

#include "frame_rules.h"

namespace memray::native {

enum class Step : std::uint8_t {
  caller,           // now at the caller
  end,              // there is none
  broken,           // what was found makes no sense
  needs_registers,  // it takes a register whose value is not known
};

struct Registers {
  Word value[kRegisters];
  std::uint32_t known;  // a bit for each
  Word pc;
  bool interrupted;  // `pc` is the next instruction to execute, not one behind a call

  bool has(std::uint32_t reg) const { return (known >> reg & 1) != 0; }
  void set(std::uint32_t reg, Word to) {
    value[reg] = to;
    known |= 1u << reg;
  }
};

// The address to look rules up by. A call may be the last instruction of its function.
inline Word lookup_address(Word pc, bool interrupted) { return machine::code_address(pc) - (interrupted ? 0 : 1); }

enum class Evaluation : std::uint8_t { done, needs_registers, failed };

// Computes the DWARF expression at `at`, which is preceded by its size, on a stack that holds `first` if that is given.
Evaluation evaluate(const std::uint8_t* at, const Word* first, const Registers& registers, Memory& memory,
                    Word& result);

Step step(const FrameDescription& description, const FrameRules& rules, Registers& registers, Memory& memory);

}  // namespace memray::native
