// DWARF expressions: a stack machine over registers and memory. In unwind information they describe frames whose size
// is known at run time only: signal frames, realigned stacks, the stubs of procedure linkage tables.
#include "bytes.h"
#include "step.h"

namespace memray::native {

namespace {

enum : std::uint8_t {
  kAddress = 0x03,
  kDereference = 0x06,
  kConst1u = 0x08,
  kConst1s,
  kConst2u,
  kConst2s,
  kConst4u,
  kConst4s,
  kConst8u,
  kConst8s,
  kConstUnsigned,
  kConstSigned,
  kDuplicate,
  kDrop,
  kOver,
  kPick,
  kSwap,
  kRotate,
  kAbsolute = 0x19,
  kAnd,
  kDivide,
  kMinus,
  kModulo,
  kMultiply,
  kNegate,
  kNot,
  kOr,
  kPlus,
  kPlusConstant,
  kShiftLeft,
  kShiftRight,
  kShiftRightSigned,
  kXor,
  kBranch,
  kEqual,
  kGreaterEqual,
  kGreater,
  kLessEqual,
  kLess,
  kNotEqual,
  kSkip,
  kLiteral0 = 0x30,
  kRegister0 = 0x50,
  kBase0 = 0x70,
  kBaseExtended = 0x92,
  kDereferenceSize = 0x94,
  kNop = 0x96,
};

class Machine {
 public:
  Machine(const Registers& registers, Memory& memory) : registers_(registers), memory_(memory) {}

  bool push(Word value) {
    if (depth_ == kDeepest) return false;
    stack_[depth_++] = value;
    return true;
  }

  Evaluation run(Bytes in, Word& result) {
    const std::uint64_t size = in.unsigned_leb();
    const std::uint8_t* const begin = in.at();
    const std::uint8_t* const end = begin + size;
    for (std::uint32_t steps = 0; in.at() < end; ++steps) {
      if (steps == kLongest || in.at() < begin || !execute(in)) {
        return needs_registers_ ? Evaluation::needs_registers : Evaluation::failed;
      }
    }
    return pop(result) ? Evaluation::done : Evaluation::failed;
  }

 private:
  static constexpr std::uint32_t kDeepest = 32;
  static constexpr std::uint32_t kLongest = 1000;

  bool pop(Word& value) {
    if (depth_ == 0) return false;
    value = stack_[--depth_];
    return true;
  }

  bool push_based(std::uint64_t reg, std::int64_t offset) {
    if (reg >= kRegisters) return false;
    if (!registers_.has(static_cast<std::uint32_t>(reg))) return needs_registers_ = true, false;
    return push(registers_.value[reg] + static_cast<Word>(offset));
  }

  bool execute(Bytes& in) {
    const auto operation = in.get<std::uint8_t>();
    if (operation >= kLiteral0 && operation < kRegister0) return push(operation - kLiteral0);
    if (operation >= kBase0 && operation < kBase0 + 32) return push_based(operation - kBase0, in.signed_leb());
    switch (operation) {
      case kAddress:
      case kConst8u:
      case kConst8s:
        return push(in.get<std::uint64_t>());
      case kConst1u:
        return push(in.get<std::uint8_t>());
      case kConst1s:
        return push(static_cast<Word>(std::int64_t{in.get<std::int8_t>()}));
      case kConst2u:
        return push(in.get<std::uint16_t>());
      case kConst2s:
        return push(static_cast<Word>(std::int64_t{in.get<std::int16_t>()}));
      case kConst4u:
        return push(in.get<std::uint32_t>());
      case kConst4s:
        return push(static_cast<Word>(std::int64_t{in.get<std::int32_t>()}));
      case kConstUnsigned:
        return push(in.unsigned_leb());
      case kConstSigned:
        return push(static_cast<Word>(in.signed_leb()));
      case kBaseExtended: {
        const std::uint64_t reg = in.unsigned_leb();
        return push_based(reg, in.signed_leb());
      }
      case kDuplicate:
        return pick(0);
      case kOver:
        return pick(1);
      case kPick:
        return pick(in.get<std::uint8_t>());
      case kSkip:
        in.skip(static_cast<std::uint64_t>(std::int64_t{in.get<std::int16_t>()}));
        return true;
      case kNop:
        return true;
      default:
        return unary(operation, in);
    }
  }

  bool pick(std::uint32_t down) { return down < depth_ && push(stack_[depth_ - 1 - down]); }

  bool unary(std::uint8_t operation, Bytes& in) {
    Word a = 0;
    if (!pop(a)) return false;
    switch (operation) {
      case kDrop:
        return true;
      case kDereference:
        return memory_.read(a, a) && push(a);
      case kDereferenceSize: {
        const auto size = in.get<std::uint8_t>();
        if (size == 0 || size > sizeof(Word) || !memory_.read(a, a)) return false;
        return push(size == sizeof(Word) ? a : a & ((Word{1} << 8 * size) - 1));
      }
      case kAbsolute:
        return push(static_cast<std::int64_t>(a) < 0 ? 0 - a : a);
      case kNegate:
        return push(0 - a);
      case kNot:
        return push(~a);
      case kPlusConstant:
        return push(a + in.unsigned_leb());
      case kBranch: {
        const auto distance = in.get<std::int16_t>();
        if (a != 0) in.skip(static_cast<std::uint64_t>(std::int64_t{distance}));
        return true;
      }
      default:
        return binary(operation, a);
    }
  }

  bool binary(std::uint8_t operation, Word b) {
    Word a = 0;
    if (!pop(a)) return false;
    const auto signed_a = static_cast<std::int64_t>(a);
    const auto signed_b = static_cast<std::int64_t>(b);
    switch (operation) {
      case kSwap:
        return push(b) && push(a);
      case kRotate: {
        Word c = 0;
        return pop(c) && push(b) && push(c) && push(a);
      }
      case kAnd:
        return push(a & b);
      case kOr:
        return push(a | b);
      case kXor:
        return push(a ^ b);
      case kPlus:
        return push(a + b);
      case kMinus:
        return push(a - b);
      case kMultiply:
        return push(a * b);
      case kDivide:
        return b != 0 && b != ~Word{0} && push(static_cast<Word>(signed_a / signed_b));
      case kModulo:
        return b != 0 && push(a % b);
      case kShiftLeft:
        return push(b < 64 ? a << b : 0);
      case kShiftRight:
        return push(b < 64 ? a >> b : 0);
      case kShiftRightSigned:
        return push(static_cast<Word>(signed_a >> (b < 64 ? b : 63)));
      case kEqual:
        return push(a == b);
      case kNotEqual:
        return push(a != b);
      case kGreaterEqual:
        return push(signed_a >= signed_b);
      case kGreater:
        return push(signed_a > signed_b);
      case kLessEqual:
        return push(signed_a <= signed_b);
      case kLess:
        return push(signed_a < signed_b);
      default:
        return false;
    }
  }

  const Registers& registers_;
  Memory& memory_;
  Word stack_[kDeepest];
  std::uint32_t depth_ = 0;
  bool needs_registers_ = false;
};

}  // namespace

Evaluation evaluate(const std::uint8_t* at, const Word* first, const Registers& registers, Memory& memory,
                    Word& result) {
  Machine machine(registers, memory);
  if (first) machine.push(*first);
  return machine.run(Bytes(at), result);
}

}  // namespace memray::native
