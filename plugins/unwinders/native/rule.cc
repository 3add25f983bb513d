#include "rule.h"

#include "objects.h"

namespace memray::native {

namespace {

constexpr bool is_slot(std::int64_t offset) {
  return offset % 8 == 0 && offset <= Rule::kLargestSlotOffset && offset >= -Rule::kLargestSlotOffset;
}

}  // namespace

Rule compile(const FrameDescription& description, const FrameRules& rules) {
  const RegisterRule& back = rules.registers[description.return_address_register];
  const RegisterRule& frame_pointer = rules.registers[machine::kFramePointer];
  if (back.where == Where::undefined) return Rule(RuleKind::end);

  const bool from_frame_pointer = rules.cfa.base == machine::kFramePointer;
  const bool base_fits = from_frame_pointer || rules.cfa.base == machine::kStackPointer;
  const bool cfa_fits = !rules.cfa.is_expression && base_fits && rules.cfa.value <= Rule::kLargestCfaOffset &&
                        rules.cfa.value >= -Rule::kLargestCfaOffset;
  const bool frame_pointer_saved = frame_pointer.where == Where::at_offset;
  const bool frame_pointer_fits =
      frame_pointer.where == Where::same || (frame_pointer_saved && is_slot(frame_pointer.value));
  if (description.signal_frame || !cfa_fits || back.where != Where::at_offset || !is_slot(back.value) ||
      !frame_pointer_fits || rules.registers[machine::kStackPointer].where != Where::same) {
    return Rule(RuleKind::complex);
  }
  return Rule::simple(from_frame_pointer, rules.cfa.value, back.value, frame_pointer_saved,
                      frame_pointer_saved ? frame_pointer.value : 0);
}

Rule derive_rule(Word pc, RuleScratch& scratch) {
  const std::uint8_t* table = unwind_table_of(pc);
  FrameDescription description;
  if (!table || !find_frame_description(table, pc, description) || !find_frame_rules(description, pc, scratch)) {
    return Rule(RuleKind::absent);
  }
  return compile(description, scratch.rules);
}

}  // namespace memray::native
