// The native stack of one thread, kept up to date.
#pragma once

#include "array.h"
#include "step.h"

#include <memray/unwinder.h>

namespace memray::native {

// What determines a frame's callers, together with memory: its program counter, the stack pointer as its callee left
// it, its frame pointer. And where in its callee's frame the first and the last were found. Bit 0 of the stack pointer,
// which is aligned, tells that the frame was interrupted by a signal.
struct Entry {
  Word stack_pointer;
  Word pc;
  Word frame_pointer;
  StackWord* pc_slot;
  StackWord* frame_pointer_slot;  // nullptr while fresh: the callee has left the register alone

  bool interrupted() const { return (stack_pointer & 1) != 0; }
  bool same_as(const Entry& other) const {
    return stack_pointer == other.stack_pointer && pc == other.pc && frame_pointer == other.frame_pointer;
  }
};

inline constexpr std::uint32_t kAtOnce = 8;  // entries that are verified in a row

struct Stack {
  std::uint32_t generation;  // of the loaded objects that the entries are about
  std::uint32_t size;        // entries that are valid, not counting entries[0]
  std::uint32_t depth;       // words reported
  std::uint32_t fresh_size;
  std::uint32_t jumps;         // steps of this walk that went to lower addresses
  Array<Entry> all_entries;    // see entries()
  Array<Entry> fresh;          // innermost first
  Array<std::uint64_t> words;  // of entries 1, 2, ...
  Memory memory;
  RuleScratch scratch;

  // [0] stands for the end of the stack, so entries()[i - 1] is always the caller. Those before it are always true.
  Entry* entries() { return all_entries.data + (kAtOnce - 1); }
  const Entry* entries() const { return all_entries.data + (kAtOnce - 1); }
};

// Once, before all else. False: out of memory.
bool begin_walking(const memray_unwinder_host& host);

Stack* new_stack();         // nullptr: out of memory
void forget(Stack& stack);  // the next change starts from an empty stack
void delete_stack(Stack& stack);
void update(Stack& stack, Word frame, memray_stack_change& change);

}  // namespace memray::native
