#include "frame_rules.h"

#include "bytes.h"

namespace memray::native {

namespace {

class Interpreter {
 public:
  Interpreter(const FrameDescription& description, Word pc, RuleScratch& scratch)
      : description_(description), pc_(pc), location_(description.begin), scratch_(scratch), rules_(scratch.rules) {}

  bool run() {
    rules_ = {};
    if (!execute(description_.common)) return false;
    scratch_.initial = rules_;
    return execute(description_.own);
  }

 private:
  bool execute(Program program) {
    Bytes in(program.begin);
    while (in.at() < program.end && location_ <= pc_) {
      const auto instruction = in.get<std::uint8_t>();
      if (!execute(instruction, in)) return false;
    }
    return true;
  }

  bool execute(std::uint8_t instruction, Bytes& in) {
    const std::uint32_t low = instruction & 0x3f;
    switch (instruction >> 6) {
      case 1:
        advance(low);
        return true;
      case 2:
        set(low, Where::at_offset, factored(in.unsigned_leb()));
        return true;
      case 3:
        restore(low);
        return true;
      default:
        return execute_extended(low, in);
    }
  }

  bool execute_extended(std::uint32_t instruction, Bytes& in) {
    switch (instruction) {
      case 0x00:  // nop
        return true;
      case 0x01:  // set_loc
        return in.pointer(description_.pointer_encoding, 0, location_);
      case 0x02:
        advance(in.get<std::uint8_t>());
        return true;
      case 0x03:
        advance(in.get<std::uint16_t>());
        return true;
      case 0x04:
        advance(in.get<std::uint32_t>());
        return true;
      case 0x05: {  // offset_extended
        const std::uint32_t reg = number(in);
        set(reg, Where::at_offset, factored(in.unsigned_leb()));
        return true;
      }
      case 0x06:
        restore(number(in));
        return true;
      case 0x07:
        set(number(in), Where::undefined, 0);
        return true;
      case 0x08:
        set(number(in), Where::same, 0);
        return true;
      case 0x09: {  // register
        const std::uint32_t reg = number(in);
        set(reg, Where::in_register, number(in));
        return true;
      }
      case 0x0a:  // remember_state
        if (remembered_ == RuleScratch::kRemembered) return false;
        scratch_.remembered[remembered_++] = rules_;
        return true;
      case 0x0b:  // restore_state
        if (remembered_ == 0) return false;
        rules_ = scratch_.remembered[--remembered_];
        return true;
      case 0x0c: {  // def_cfa
        const std::uint32_t reg = number(in);
        rules_.cfa = {false, reg, static_cast<std::int64_t>(in.unsigned_leb())};
        return true;
      }
      case 0x0d:  // def_cfa_register
        rules_.cfa.base = number(in);
        return !rules_.cfa.is_expression;
      case 0x0e:  // def_cfa_offset
        rules_.cfa.value = static_cast<std::int64_t>(in.unsigned_leb());
        return !rules_.cfa.is_expression;
      case 0x0f:
        rules_.cfa = {true, 0, expression(in)};
        return true;
      case 0x10: {
        const std::uint32_t reg = number(in);
        set(reg, Where::at_expression, expression(in));
        return true;
      }
      case 0x11: {  // offset_extended_sf
        const std::uint32_t reg = number(in);
        set(reg, Where::at_offset, in.signed_leb() * description_.data_alignment);
        return true;
      }
      case 0x12: {  // def_cfa_sf
        const std::uint32_t reg = number(in);
        rules_.cfa = {false, reg, in.signed_leb() * description_.data_alignment};
        return true;
      }
      case 0x13:  // def_cfa_offset_sf
        rules_.cfa.value = in.signed_leb() * description_.data_alignment;
        return !rules_.cfa.is_expression;
      case 0x14: {  // val_offset
        const std::uint32_t reg = number(in);
        set(reg, Where::is_offset, factored(in.unsigned_leb()));
        return true;
      }
      case 0x15: {  // val_offset_sf
        const std::uint32_t reg = number(in);
        set(reg, Where::is_offset, in.signed_leb() * description_.data_alignment);
        return true;
      }
      case 0x16: {
        const std::uint32_t reg = number(in);
        set(reg, Where::is_expression, expression(in));
        return true;
      }
      case 0x2d:  // aarch64: the return address is signed from here on, or no more
        rules_.signed_return_address = !rules_.signed_return_address;
        return true;
      case 0x2e:  // GNU_args_size: for landing pads
        in.unsigned_leb();
        return true;
      case 0x2f: {  // GNU_negative_offset_extended
        const std::uint32_t reg = number(in);
        set(reg, Where::at_offset, -factored(in.unsigned_leb()));
        return true;
      }
      default:
        return false;
    }
  }

  static std::uint32_t number(Bytes& in) {
    const std::uint64_t value = in.unsigned_leb();
    return value < kRegisters ? static_cast<std::uint32_t>(value) : kRegisters;
  }

  // Vector registers and the like are nobody's concern here.
  void set(std::uint32_t reg, Where where, std::int64_t value) {
    if (reg < kRegisters) rules_.registers[reg] = {where, value};
  }

  void restore(std::uint32_t reg) {
    if (reg < kRegisters) rules_.registers[reg] = scratch_.initial.registers[reg];
  }

  void advance(std::uint64_t count) { location_ += count * description_.code_alignment; }

  std::int64_t factored(std::uint64_t offset) const {
    return static_cast<std::int64_t>(offset) * description_.data_alignment;
  }

  static std::int64_t expression(Bytes& in) {
    const auto at = static_cast<std::int64_t>(in.address());
    const std::uint64_t size = in.unsigned_leb();
    in.skip(size);
    return at;
  }

  const FrameDescription& description_;
  const Word pc_;
  Word location_;
  RuleScratch& scratch_;
  FrameRules& rules_;
  std::uint32_t remembered_ = 0;
};

}  // namespace

bool find_frame_rules(const FrameDescription& description, Word pc, RuleScratch& scratch) {
  Interpreter interpreter(description, pc, scratch);
  return interpreter.run() && (scratch.rules.cfa.is_expression || scratch.rules.cfa.base < kRegisters) &&
         description.return_address_register < kRegisters;
}

}  // namespace memray::native
