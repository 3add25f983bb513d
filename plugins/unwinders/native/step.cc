#include "step.h"

namespace memray::native {

namespace {

const std::uint8_t* bytes_at(std::int64_t address) { return reinterpret_cast<const std::uint8_t*>(address); }

Step as_step(Evaluation evaluation) {
  if (evaluation == Evaluation::done) return Step::caller;
  return evaluation == Evaluation::needs_registers ? Step::needs_registers : Step::broken;
}

Step find_cfa(const CfaRule& rule, const Registers& registers, Memory& memory, Word& cfa) {
  if (rule.is_expression) return as_step(evaluate(bytes_at(rule.value), nullptr, registers, memory, cfa));
  if (!registers.has(rule.base)) return Step::needs_registers;
  cfa = registers.value[rule.base] + static_cast<Word>(rule.value);
  return Step::caller;
}

// The caller's value of register `reg`, if there is a rule for it. Where::same is left to the caller of this.
Step find_register(const RegisterRule& rule, Word cfa, const Registers& registers, Memory& memory, Word& value) {
  switch (rule.where) {
    case Where::same:
    case Where::undefined:
      return Step::end;
    case Where::at_offset:
      return memory.read(cfa + static_cast<Word>(rule.value), value) ? Step::caller : Step::broken;
    case Where::is_offset:
      value = cfa + static_cast<Word>(rule.value);
      return Step::caller;
    case Where::in_register:
      if (rule.value >= kRegisters) return Step::broken;
      if (!registers.has(static_cast<std::uint32_t>(rule.value))) return Step::needs_registers;
      value = registers.value[rule.value];
      return Step::caller;
    case Where::at_expression: {
      Word address = 0;
      const Step found = as_step(evaluate(bytes_at(rule.value), &cfa, registers, memory, address));
      if (found != Step::caller) return found;
      return memory.read(address, value) ? Step::caller : Step::broken;
    }
    case Where::is_expression:
      return as_step(evaluate(bytes_at(rule.value), &cfa, registers, memory, value));
  }
  return Step::broken;
}

}  // namespace

Step step(const FrameDescription& description, const FrameRules& rules, Registers& registers, Memory& memory) {
  Word cfa = 0;
  if (const Step found = find_cfa(rules.cfa, registers, memory, cfa); found != Step::caller) return found;
  Registers caller;
  caller.known = 0;
  for (std::uint32_t reg = 0; reg < kRegisters; ++reg) {
    const RegisterRule& rule = rules.registers[reg];
    if (rule.where == Where::same) {
      const bool kept = description.signal_frame || (machine::kSavedByCallees >> reg & 1) != 0;
      if (kept && registers.has(reg)) caller.set(reg, registers.value[reg]);
      continue;
    }
    Word value = 0;
    // A register that is not found is missed only when something is computed from it.
    if (find_register(rule, cfa, registers, memory, value) == Step::caller) caller.set(reg, value);
  }
  if (rules.registers[machine::kStackPointer].where == Where::same) caller.set(machine::kStackPointer, cfa);

  const std::uint32_t back = description.return_address_register;
  const RegisterRule& rule = rules.registers[back];
  if (rule.where == Where::undefined) return Step::end;
  if (rule.where == Where::same) {  // still in its register: aarch64, before a function has saved it
    if (!registers.has(back)) return Step::needs_registers;
    caller.pc = registers.value[back];
  } else if (const Step found = find_register(rule, cfa, registers, memory, caller.pc); found != Step::caller) {
    return found == Step::end ? Step::broken : found;
  }
  caller.interrupted = description.signal_frame;
  if (machine::code_address(caller.pc) == 0) return Step::end;
  registers = caller;
  return Step::caller;
}

}  // namespace memray::native
