// The native stack at an allocation: unwind what is new, verify the rest.
//
// Each frame must be computed before the next one's address is known, so to unwind all of the 20 to 40 frames takes
// longer than everything else that the recorder does. But only 3 to 7 of them differ from the stack at the thread's
// last allocation.
//
// A frame's callers are a function of its registers and of the memory that unwinding reads: one slot with the return
// address, and perhaps one with the caller's frame pointer. So the last stack is kept with those slots, outermost
// first. When a frame is met that has the same program counter, stack pointer and frame pointer as an entry, the
// entry's callers are looked at in turn: do the slots that they were found through hold what they held? Then unwinding
// would come to the same result, whatever has happened in between: returns, longjmp, exceptions, a switch to another
// stack and back. Nothing is assumed, nothing in the program is patched, and no memory is read that unwinding would not
// read. The addresses to compare are in the array, so the processor need not wait for one frame to look at the next.
// Eight frames are compared in a row, as jumping back would cost more than comparing one.
//
//   1. Unwind from the hook's frame. Stacks grow down, so entries below the frame that has been reached are dead.
//   2. When a frame equals the innermost entry left, verify outwards from there.
//   3. Where a slot differs, unwind that one frame. The result may be the entry after all (another slot, or a frame of
//      which only step.h knows the caller: its entry has a slot that never matches). Else the entries down to there are
//      fresh frames like others, and step 1 goes on.
//   4. Put the fresh frames on top of what was kept, and report the words that differ.
//
// Only three registers are known on this path. Where unwinding takes another one, which hardly happens outside of
// signal handlers and the dynamic linker, the whole stack is unwound from our own function with all registers.
#include "walk.h"

#include "objects.h"
#include "rule_cache.h"

#include <cstddef>

namespace memray::native {

namespace {

constexpr std::uint32_t kMostJumps = 16;
constexpr Word kLargestGuess = Word{1} << 20;

const memray_unwinder_host* host;
RuleCache cache;
const Word kNever = 0;  // no return address is 0

// Rules for the frames of one walk, each where its callee's says it was last time, or else looked up.
class Rules {
 public:
  explicit Rules(RuleTable& table) : table_(table) {}

  Rule at(Stack& stack, Word pc) {
    const std::uint64_t key = RuleTable::key(pc, stack.generation);
    if (place_ != RuleTable::kNowhere) {
      const std::uint32_t likely = table_.next(place_);
      const Rule rule = table_.rule_in(likely, key);
      if (__builtin_expect(rule.kind() != RuleKind::none, true)) {
        place_ = likely;
        return rule;
      }
    }
    const Found found = look_up(table_, stack, pc, key, place_);
    place_ = found.place;
    return found.rule;
  }

  // The next frame is not the caller of the one before.
  void leave() { place_ = RuleTable::kNowhere; }

 private:
  struct Found {
    Rule rule;
    std::uint32_t place;
  };

  __attribute__((noinline)) static Found look_up(RuleTable& table, Stack& stack, Word pc, std::uint64_t key,
                                                 std::uint32_t before) {
    std::uint32_t place = table.find(key);
    Rule rule = place == RuleTable::kNowhere ? Rule() : table.rule_in(place, key);
    if (__builtin_expect(rule.kind() == RuleKind::none, false)) {
      rule = derive_rule(pc, stack.scratch);
      if (rule.kind() == RuleKind::absent) return {rule, RuleTable::kNowhere};  // code made at run time may be replaced
      place = table.add(key, rule);
      cache.grow_if_crowded(table);
    }
    if (before != RuleTable::kNowhere) table.set_next(before, place);
    return {rule, place};
  }

  RuleTable& table_;
  std::uint32_t place_ = RuleTable::kNowhere;
};

// Going up the stack ends. What leads down (back from a signal handler's stack, or from a program's own) might not.
inline bool may_go_to(Stack& stack, const Entry& from, Word stack_pointer) {
  return __builtin_expect(stack_pointer > from.stack_pointer, true) || ++stack.jumps <= kMostJumps;
}

// A frame without unwind information. If it keeps a frame pointer, there is a pair of that of its caller and the return
// address where it points.
__attribute__((noinline, cold)) Step guess_caller(Stack& stack, Entry& entry) {
  const Word at = entry.frame_pointer;
  const Word distance = at - entry.stack_pointer;
  Word frame_pointer = 0;
  Word pc = 0;
  stack.memory.distrust();
  if (distance > kLargestGuess || at % sizeof(Word) != 0 || !stack.memory.read(at, frame_pointer) ||
      !stack.memory.read(at + sizeof(Word), pc) || pc == 0) {
    return Step::broken;
  }
  entry = {at + 2 * sizeof(Word), pc, frame_pointer, reinterpret_cast<StackWord*>(at + sizeof(Word)),
           reinterpret_cast<StackWord*>(at)};
  return Step::caller;
}

Step step_exactly(Stack& stack, Registers& registers) {
  const Word pc = lookup_address(registers.pc, registers.interrupted);
  const std::uint8_t* table = unwind_table_of(pc);
  FrameDescription description;
  if (!table || !find_frame_description(table, pc, description) || !find_frame_rules(description, pc, stack.scratch)) {
    return Step::broken;
  }
  return step(description, stack.scratch.rules, registers, stack.memory);
}

// An entry that is never verified.
Entry entry_of(const Registers& registers) {
  return {registers.value[machine::kStackPointer] | Word{registers.interrupted}, registers.pc,
          registers.value[machine::kFramePointer], &kNever, nullptr};
}

bool has_entry_registers(const Registers& registers) {
  return registers.has(machine::kStackPointer) && registers.has(machine::kFramePointer);
}

__attribute__((noinline, cold)) Step step_complex(Stack& stack, Entry& entry) {
  Registers registers;
  registers.known = 0;
  registers.set(machine::kStackPointer, entry.stack_pointer & ~Word{1});
  registers.set(machine::kFramePointer, entry.frame_pointer);
  registers.pc = entry.pc;
  registers.interrupted = entry.interrupted();
  const Step result = step_exactly(stack, registers);
  if (result != Step::caller) return result;
  if (!has_entry_registers(registers)) return Step::needs_registers;
  if (!may_go_to(stack, entry, registers.value[machine::kStackPointer])) return Step::broken;
  entry = entry_of(registers);
  return Step::caller;
}

__attribute__((noinline, cold)) Step step_unusual(Stack& stack, Entry& entry, RuleKind kind) {
  if (kind == RuleKind::end) return Step::end;
  return kind == RuleKind::absent ? guess_caller(stack, entry) : step_complex(stack, entry);
}

// From a frame to its caller's. `frame` stays in registers: what is unusual works on a copy.
[[gnu::always_inline]] inline Step step_quickly(Stack& stack, Rules& rules, Entry& frame) {
  const Rule rule = rules.at(stack, lookup_address(frame.pc, frame.interrupted()));
  if (__builtin_expect(rule.kind() != RuleKind::simple, false)) {
    Entry copy = frame;
    const Step result = step_unusual(stack, copy, rule.kind());
    frame = copy;
    return result;
  }
  const Word base = rule.from_frame_pointer() ? frame.frame_pointer : frame.stack_pointer & ~Word{1};
  const Word cfa = base + static_cast<Word>(rule.cfa_offset());
  const Word pc_at = cfa + static_cast<Word>(rule.return_address_offset());
  if (!may_go_to(stack, frame, cfa) || !stack.memory.read(pc_at, frame.pc)) return Step::broken;
  frame.frame_pointer_slot = nullptr;
  if (rule.frame_pointer_saved()) {
    const Word frame_pointer_at = cfa + static_cast<Word>(rule.frame_pointer_offset());
    if (!stack.memory.read(frame_pointer_at, frame.frame_pointer)) return Step::broken;
    frame.frame_pointer_slot = reinterpret_cast<StackWord*>(frame_pointer_at);
  }
  frame.pc_slot = reinterpret_cast<StackWord*>(pc_at);
  frame.stack_pointer = cfa;
  return frame.pc != 0 ? Step::caller : Step::end;
}

// Entries have slots for both words always: a register that was left alone is found where it is kept anyway.
void set_slots(Entry& entry, const Entry& found) {
  entry.pc_slot = found.pc_slot;
  entry.frame_pointer_slot = found.frame_pointer_slot ? found.frame_pointer_slot : &entry.frame_pointer;
}

// What verification may rely on at the end of the stack: that the outermost frame has no caller, or nothing.
void set_end(Stack& stack, bool certain) {
  Entry& end = *stack.entries();
  end.pc = 1;
  end.pc_slot = certain ? &end.pc : &kNever;
  end.frame_pointer_slot = &end.frame_pointer;
}

// Room for `size` entries.
__attribute__((noinline, cold)) bool grow_entries(Stack& stack, std::uint32_t size) {
  const Entry* const before = stack.all_entries.data;
  const std::uint32_t count = stack.all_entries.capacity;
  const bool certain = before && stack.entries()->pc_slot != &kNever;
  const auto own_slot = [&](std::uint32_t i) {
    return reinterpret_cast<Word>(before) + i * sizeof(Entry) + offsetof(Entry, frame_pointer);
  };
  if (!stack.all_entries.grow(*host, size + kAtOnce) || !stack.words.grow(*host, stack.all_entries.capacity))
    return false;
  for (std::uint32_t i = 0; i < stack.all_entries.capacity; ++i) {
    Entry& entry = stack.all_entries[i];
    if (i < kAtOnce) entry.pc_slot = &entry.pc;
    if (i < kAtOnce || (i < count && reinterpret_cast<Word>(entry.frame_pointer_slot) == own_slot(i)))
      entry.frame_pointer_slot = &entry.frame_pointer;
  }
  set_end(stack, certain);
  return true;
}

inline bool push(Stack& stack, const Entry& entry) {
  if (__builtin_expect(stack.fresh_size == stack.fresh.capacity, false) &&
      !stack.fresh.grow(*host, stack.fresh_size + 1)) {
    return false;
  }
  stack.fresh[stack.fresh_size++] = entry;
  return true;
}

// entries[from] is a live frame. Returns the outermost entry that is certainly live too, or 0 if all are. The slots of
// a frame are looked at only if those of all frames inside it are as they were.
inline std::uint32_t verify(const Entry* entries, std::uint32_t from) {
  const auto differs = [](StackWord* slot, Word value) { return __builtin_expect(*slot != value, false) != 0; };
  for (const Entry* entry = entries + from; entry > entries; entry -= kAtOnce) {
#pragma GCC unroll 8
    for (std::uint32_t i = 0; i < kAtOnce; ++i) {
      const Entry& caller = *(entry - i - 1);
      if (differs(caller.pc_slot, caller.pc) || differs(caller.frame_pointer_slot, caller.frame_pointer))
        return static_cast<std::uint32_t>(entry - i - entries);
    }
  }
  return 0;
}

// Finds out how many entries are still true, and puts the frames above them into stack.fresh. False: there is no way
// without more registers.
inline bool align(Stack& stack, Entry frame, std::uint32_t& keep) {
  Rules rules(cache.table());
  Entry* const entries = stack.entries();
  keep = 0;
  std::uint32_t left = stack.size;
  for (;;) {
    while (left != 0 && entries[left].stack_pointer < frame.stack_pointer) --left;
    if (left == 0 || !entries[left].same_as(frame)) {
      if (!push(stack, frame)) return false;
      switch (step_quickly(stack, rules, frame)) {
        case Step::caller:
          continue;
        case Step::needs_registers:
          return false;
        case Step::end:
          return set_end(stack, true), true;
        case Step::broken:
          return set_end(stack, false), true;
      }
    }

    set_slots(entries[left], frame);
    Step found = Step::caller;
    std::uint32_t live = left;
    while (found == Step::caller && (live = verify(entries, live)) != 0) {
      frame = entries[live];
      rules.leave();
      found = step_quickly(stack, rules, frame);
      if (found == Step::needs_registers) return false;
      if (found != Step::caller || live == 1 || !entries[live - 1].same_as(frame)) break;
      set_slots(entries[--live], frame);
    }
    if (live == 0 || (live == 1 && found != Step::caller)) {
      keep = left;
      return true;
    }
    for (std::uint32_t i = left; i >= live; --i) {
      Entry entry = entries[i];
      if (entry.frame_pointer_slot == &entries[i].frame_pointer) entry.frame_pointer_slot = nullptr;
      if (!push(stack, entry)) return false;
    }
    if (found != Step::caller) return set_end(stack, found == Step::end), true;
    left = live - 1;
  }
}

// The whole stack with all registers, from here. False: the hook's frame is not found.
__attribute__((noinline, cold)) bool unwind_all(Stack& stack, Word frame) {
  Registers registers;
  registers.known = machine::kSavedByCallees;
  registers.interrupted = true;
  machine::capture(registers.value, registers.pc);
  stack.fresh_size = 0;
  stack.jumps = 0;
  constexpr std::uint32_t kMostOwnFrames = 16;
  bool at_hook = false;
  for (std::uint32_t i = 0; !at_hook; ++i) {
    at_hook = registers.value[machine::kFramePointer] == frame;
    if (i == kMostOwnFrames || step_exactly(stack, registers) != Step::caller) return false;
  }
  set_end(stack, false);
  for (;;) {
    const Entry entry = entry_of(registers);
    if (!push(stack, entry)) return false;
    Step result = step_exactly(stack, registers);
    if (result == Step::broken) {
      Entry guess = entry;
      result = guess_caller(stack, guess);
      registers.known = 0;
      registers.set(machine::kStackPointer, guess.stack_pointer);
      registers.set(machine::kFramePointer, guess.frame_pointer);
      registers.pc = guess.pc;
      registers.interrupted = false;
    }
    if (result != Step::caller || !has_entry_registers(registers)) return true;
    if (!may_go_to(stack, entry, registers.value[machine::kStackPointer])) return true;
  }
}

// The caller of the hook.
inline bool start(Stack& stack, Word frame, Entry& entry) {
  if constexpr (machine::kFrameEndsAtPointer) {
    const auto* words = reinterpret_cast<StackWord*>(frame);
    entry = {frame + 2 * sizeof(Word), words[1], words[0], words + 1, words};
    return true;
  } else {
    Registers registers;
    machine::capture(registers.value, registers.pc);
    registers.interrupted = true;
    entry = entry_of(registers);
    Rules rules(cache.table());
    constexpr std::uint32_t kMostOwnFrames = 16;
    for (std::uint32_t i = 0; i < kMostOwnFrames; ++i) {
      const bool at_hook = entry.frame_pointer == frame;
      if (step_quickly(stack, rules, entry) != Step::caller) return false;
      if (at_hook) return true;
    }
    return false;
  }
}

bool rebuild(Stack& stack, std::uint32_t keep, memray_stack_change& change) {
  const std::uint32_t size = keep + stack.fresh_size;
  if (__builtin_expect(size + kAtOnce > stack.all_entries.capacity, false) && !grow_entries(stack, size)) return false;
  Entry* const entries = stack.entries();
  std::uint32_t same = keep;  // words that need not be reported again
  for (std::uint32_t i = keep; i < size; ++i) {
    Entry& entry = entries[i + 1];
    const Entry& found = stack.fresh[size - 1 - i];
    entry = found;
    set_slots(entry, found);
    const std::uint64_t word = machine::code_address(entry.pc);
    if (same == i && i < stack.depth && stack.words[i] == word) {
      ++same;
    } else {
      stack.words[i] = word;
    }
  }
  stack.size = size;
  stack.depth = size;
  change = {same, size - same, stack.words.data + same};
  return true;
}

}  // namespace

bool begin_walking(const memray_unwinder_host& offered) {
  host = &offered;
  if (!cache.begin(offered)) return false;
  look_at_objects();
  return true;
}

Stack* new_stack() {
  auto* stack = static_cast<Stack*>(host->map(sizeof(Stack)));
  constexpr std::uint32_t kInitialDepth = 80;
  if (stack && (!grow_entries(*stack, kInitialDepth) || !stack->fresh.grow(*host, kInitialDepth))) {
    delete_stack(*stack);
    return nullptr;
  }
  return stack;
}

void forget(Stack& stack) {
  stack.size = 0;
  stack.depth = 0;
}

void delete_stack(Stack& stack) {
  stack.all_entries.release(*host);
  stack.fresh.release(*host);
  stack.words.release(*host);
  host->unmap(&stack, sizeof stack);
}

void update(Stack& stack, Word frame, memray_stack_change& change) {
  const std::uint32_t generation = object_generation();
  if (__builtin_expect(stack.generation != generation, false)) {
    stack.generation = generation;
    forget(stack);
  }
  stack.memory.trust();
  stack.fresh_size = 0;
  stack.jumps = 0;
  Entry first;
  std::uint32_t keep = 0;
  if (__builtin_expect(!start(stack, frame, first) || !align(stack, first, keep), false)) {
    keep = 0;
    if (!unwind_all(stack, frame)) {
      forget(stack);
      change = {0, 0, stack.words.data};
      return;
    }
  }
  if (stack.fresh_size == 0) {
    change = {keep, 0, stack.words.data};
    stack.size = stack.depth = keep;
    return;
  }
  if (!rebuild(stack, keep, change)) {
    forget(stack);
    change = {0, 0, stack.words.data};
  }
}

}  // namespace memray::native
