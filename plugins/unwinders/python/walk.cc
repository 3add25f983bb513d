// The Python stack at an allocation, at about a nanosecond a frame.
//
// Reading the whole chain of frames at every allocation would cost ten: each frame must be loaded before the next one's
// address is known, and each code object must be looked up. But between two allocations of a thread only a frame or two
// change. So the last chain is kept, root to top, as (frame, code, instruction), and is verified instead of read again.
//
// Stopping early, at the first frame that looks the same, would be wrong: frames below it may have moved on, and a
// frame address says nothing, since frames are popped and pushed at the same place. So every entry is compared, to the
// root. That is cheap, because the entry says where the next frame must be: the processor runs ahead along the array,
// and the comparison with the live `previous` is only a branch that it predicts. An entry's frame is looked into only
// after a live frame has been found to point to it, which makes this as safe as following the chain. Entries are
// identified by what they contain, so reuse of frames does no harm; reuse of code objects raises the generation
// (code_table.cc).
//
//   1. Align: the live top is looked for among the last few entries; while it is not there, it is a fresh frame, and
//      the search goes on from its caller.
//   2. Verify from there to the root. Where an entry's caller is another one than before (a generator that is resumed
//      from elsewhere), the frames so far are taken as fresh and step 1 goes on from the new caller.
//   3. Rebuild above the lowest change. If there is none, nothing is written at all.
//
// Deep stacks that have been left without an allocation are found again by searching all entries after 8, 16, 32, ...
// fresh frames.
//
// A signal handler may allocate while the evaluator links a frame, and finds rubbish there: CPython 3.11 and 3.12 make
// a C frame current before they fill in its pointer to the Python frame, and compilers reorder the stores of all
// versions. So a pointer that is not already among the entries is looked into only if its page is known to be readable
// (one compare, and a system call for each page seen for the first time), and chains that run in circles are dropped.
#include "walk.h"

#include "code_table.h"
#include "frame.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace memray::python {

struct Entry {
  std::uintptr_t frame;
  std::uint64_t executable;
  std::uint64_t instruction;
  std::uint32_t number;      // of the code object; 0: the frame is not shown
  std::uint32_t depth : 23;  // frames shown up to here, this one included
  std::uint32_t shim : 1;
  std::uint32_t entry : 8;  // 3.11: the frame's own flag
};

constexpr std::uintptr_t kPage = 4096;
constexpr std::uint32_t kPagesKnown = 256;

// entries[0] is no frame: it stands for the end of the chain, so entries[i - 1] is always the caller.
struct Stack {
  std::uint32_t generation;
  std::uint32_t size;   // entries that are valid, not counting entries[0]
  std::uint32_t depth;  // words reported
  std::uint32_t capacity;
  Entry* entries;         // capacity + 1
  std::uint64_t* words;   // capacity
  std::uintptr_t* fresh;  // capacity; top first
  std::size_t arrays_bytes;
  std::uintptr_t readable[kPagesKnown];  // inverted page numbers, each at its own modulo kPagesKnown
  char text[1];                          // up to the end of the mapping
};

namespace {

constexpr std::size_t kStackBytes = 16 << 10;
constexpr std::uint32_t kInitialCapacity = 254;
constexpr std::uint32_t kLargestCapacity = (1u << 23) - 1;
constexpr std::uint32_t kNearTop = 6;

std::size_t bytes_for(std::uint32_t capacity) {
  const std::size_t bytes = (std::size_t{capacity} + 1) * sizeof(Entry) + std::size_t{capacity} * 16;
  return (bytes + 4095) / 4096 * 4096;
}

bool set_capacity(Stack& stack, std::uint32_t capacity) {
  const std::size_t bytes = bytes_for(capacity);
  auto* memory = static_cast<char*>(host->map(bytes));
  if (!memory) return false;
  auto* entries = reinterpret_cast<Entry*>(memory);
  auto* words = reinterpret_cast<std::uint64_t*>(entries + capacity + 1);
  std::uint64_t* fresh = words + capacity;
  if (stack.entries) {
    std::memcpy(entries, stack.entries, (std::size_t{stack.capacity} + 1) * sizeof(Entry));
    std::memcpy(words, stack.words, stack.capacity * sizeof *words);
    std::memcpy(fresh, stack.fresh, stack.capacity * sizeof *fresh);
    host->unmap(stack.entries, stack.arrays_bytes);
  }
  stack.entries = entries;
  stack.words = words;
  stack.fresh = fresh;
  stack.capacity = capacity;
  stack.arrays_bytes = bytes;
  return true;
}

__attribute__((noinline, cold)) bool grow(Stack& stack) {
  return stack.capacity <= kLargestCapacity / 2 && set_capacity(stack, stack.capacity * 2);
}

TextBuffer text_buffer(Stack& stack) { return {stack.text, kStackBytes - offsetof(Stack, text)}; }

struct Verified {
  std::uint32_t broken;   // the outermost entry that is live, if its caller is another one than before; else 0
  std::uint32_t changed;  // the outermost entry that has moved on; `from` + 1 if none has
};

// What has to be compared besides the caller. An instruction's address tells the code object too, as long as no code
// object has died, which the generation says.
enum class Check : std::uint8_t {
  address,           // 3.12 and later
  address_and_flag,  // 3.11
  index,             // 3.9, 3.10: of the code object, and which one
};

inline Check check_for(const Layout& layout) {
  if (layout.instruction_kind == Instruction::index) return Check::index;
  return layout.has_entry_flag ? Check::address_and_flag : Check::address;
}

// The frame of entry `from` is live. Are those below it what they were? Four loads and one branch a frame.
template <Check kCheck>
inline Verified verify(const Layout& layout, const Entry* entries, std::uint32_t from) {
  const std::uintptr_t previous_at = layout.previous;
  const std::uintptr_t instruction_at = layout.instruction;
  const Entry* changed = entries + from + 1;
  std::uintptr_t frame = entries[from].frame;
  for (const Entry* entry = entries + from; entry != entries; --entry) {
    const std::uintptr_t caller = entry[-1].frame;
    const std::uint64_t moved = load<std::uintptr_t>(frame + previous_at) ^ caller;
    std::uint64_t differs = 0;
    if constexpr (kCheck == Check::index) {
      differs = load<std::uint32_t>(frame + instruction_at) ^ entry->instruction;
      differs |= load<std::uint64_t>(frame + layout.executable) ^ entry->executable;
    } else {
      differs = load<std::uint64_t>(frame + instruction_at) ^ entry->instruction;
    }
    if constexpr (kCheck == Check::address_and_flag) {
      differs |= load<std::uint8_t>(frame + layout.entry_flag) ^ std::uint64_t{entry->entry};
    }
    if (__builtin_expect((moved | differs) != 0, false)) {
      if (moved != 0) {
        return {static_cast<std::uint32_t>(entry - entries), static_cast<std::uint32_t>(changed - entries)};
      }
      changed = entry;
    }
    frame = caller;
  }
  return {0, static_cast<std::uint32_t>(changed - entries)};
}

inline Verified verify(const Layout& layout, const Entry* entries, std::uint32_t from) {
  switch (check_for(layout)) {
    case Check::index:
      return verify<Check::index>(layout, entries, from);
    case Check::address_and_flag:
      return verify<Check::address_and_flag>(layout, entries, from);
    default:
      return verify<Check::address>(layout, entries, from);
  }
}

// The entry of `frame` among the first `limit`, or 0.
inline std::uint32_t find(const Stack& stack, std::uintptr_t frame, std::uint32_t limit, std::uint32_t fresh) {
  const bool everywhere = fresh >= 8 && (fresh & (fresh - 1)) == 0;
  const std::uint32_t stop = everywhere || limit <= kNearTop ? 0 : limit - kNearTop;
  for (std::uint32_t i = limit; i > stop; --i) {
    if (stack.entries[i].frame == frame) return i;
  }
  return 0;
}

// Asks the kernel to read from the page. A signal mask is read before the unknown "how" is refused.
__attribute__((noinline, cold)) bool is_readable_slow(Stack& stack, std::uintptr_t page) {
  const int saved_errno = errno;
  const bool readable = syscall(SYS_rt_sigprocmask, ~0, page * kPage, nullptr, 8) != 0 && errno != EFAULT;
  errno = saved_errno;
  if (readable) stack.readable[page % kPagesKnown] = ~page;
  return readable;
}

inline bool is_readable(Stack& stack, std::uintptr_t address) {
  const std::uintptr_t page = address / kPage;
  return __builtin_expect(stack.readable[page % kPagesKnown] == ~page, true) || is_readable_slow(stack, page);
}

inline bool is_readable(Stack& stack, std::uintptr_t address, std::size_t bytes) {
  return is_readable(stack, address) && is_readable(stack, address + bytes - 1);
}

constexpr std::size_t kFrameBytes = 72;  // what we look at of a frame, and of a code object
constexpr std::size_t kCodeBytes = 192;

// The frames above the first that is known, top first.
class FreshFrames {
 public:
  explicit FreshFrames(Stack& stack) : stack_(stack) {}

  // False: the chain cannot be followed.
  bool push(std::uintptr_t frame) {
    if (frame == landmark_ || !is_readable(stack_, frame, kFrameBytes)) return false;
    if (__builtin_expect(count_ == stack_.capacity, false) && !grow(stack_)) return false;
    stack_.fresh[count_++] = frame;
    if ((count_ & (count_ - 1)) == 0) landmark_ = frame;  // a circle will come back to it
    return true;
  }
  std::uint32_t count() const { return count_; }

 private:
  Stack& stack_;
  std::uint32_t count_ = 0;
  std::uintptr_t landmark_ = 0;
};

struct Alignment {
  std::uint32_t keep;   // entries that are still true
  std::uint32_t live;   // entries whose frames are still in the chain
  std::uint32_t fresh;  // frames above them, in stack.fresh
  bool ok;
};

inline Alignment align(const Layout& layout, Stack& stack, std::uintptr_t top) {
  FreshFrames fresh(stack);
  std::uint32_t limit = stack.size;
  for (std::uintptr_t frame = top;;) {
    if (frame == 0) return {0, 0, fresh.count(), true};
    const std::uint32_t at = find(stack, frame, limit, fresh.count());
    if (at == 0) {
      if (!fresh.push(frame)) return {0, 0, 0, false};
      frame = previous(layout, frame);
      continue;
    }
    const Verified verified = verify(layout, stack.entries, at);
    if (verified.broken == 0) return {verified.changed - 1, at, fresh.count(), true};
    for (std::uint32_t i = at; i >= verified.broken; --i) {
      if (!fresh.push(stack.entries[i].frame)) return {0, 0, 0, false};
    }
    frame = previous(layout, stack.entries[verified.broken].frame);
    limit = verified.broken - 1;
  }
}

// Is this frame the first of its C evaluator activation?
inline bool is_entry(const Layout& layout, const Entry& below, const Entry& entry) {
  if (layout.instruction_kind == Instruction::index) return true;
  if (layout.has_entry_flag) return entry.entry != 0;
  return below.shim || below.frame == 0;
}

// Describes the live `frame` in `entry`, which still holds what was at this height before, if `was_valid`. Returns the
// word to report, or 0.
std::uint64_t examine(const Runtime& runtime, Stack& stack, std::uintptr_t frame, Entry& entry, bool was_valid) {
  const Layout& layout = runtime.layout;
  const Entry& below = *(&entry - 1);
  const std::uint64_t code_word = executable(layout, frame);
  // Recursion meets the same code again; its number is then at hand.
  std::uint32_t number = was_valid && entry.executable == code_word ? entry.number : 0;
  entry = {frame, code_word, instruction(layout, frame), 0, below.depth, 0, 0};
  if (layout.has_entry_flag) entry.entry = load<std::uint8_t>(frame + layout.entry_flag);
  if (number == 0 && !is_readable(stack, code_word & layout.executable_mask, kCodeBytes)) return 0;
  const FrameView view = look(layout, frame, entry.executable, entry.instruction);
  entry.shim = view.state == FrameState::shim;
  if (view.state != FrameState::running) return 0;
  if (number == 0) number = number_of_code(runtime, view.code, text_buffer(stack));
  if (number == 0) return 0;
  entry.number = number;
  entry.depth = (below.depth + 1) & 0x7f'ffff;
  const std::uint64_t flag = is_entry(layout, below, entry) ? MEMRAY_PYTHON_ENTRY_FRAME : 0;
  return flag | MEMRAY_PYTHON_FRAME(number, view.offset);
}

void rebuild(const Runtime& runtime, Stack& stack, const Alignment& at, memray_stack_change& change) {
  const std::uint32_t old_size = stack.size;
  const std::uint32_t old_depth = stack.depth;
  const std::uint32_t size = at.live + at.fresh;
  std::uint32_t depth = stack.entries[at.keep].depth;
  std::uint32_t same = depth;  // leading words that need not be reported again
  for (std::uint32_t i = at.keep + 1; i <= size; ++i) {
    Entry& entry = stack.entries[i];
    const std::uintptr_t frame = i <= at.live ? entry.frame : stack.fresh[at.fresh - 1 - (i - at.live - 1)];
    const std::uint64_t word = examine(runtime, stack, frame, entry, i <= old_size);
    if (word == 0) continue;
    if (same == depth && depth < old_depth && stack.words[depth] == word) {
      ++same;
    } else {
      stack.words[depth] = word;
    }
    ++depth;
  }
  stack.size = size;
  stack.depth = depth;
  change = {same, depth - same, stack.words + same};
}

void report_nothing(Stack& stack, memray_stack_change& change) {
  stack.size = 0;
  stack.depth = 0;
  change = {0, 0, stack.words};
}

// The most frequent case by far, and all there is to it.
inline bool is_unchanged(const Layout& layout, const Stack& stack, std::uintptr_t top) {
  if (top != stack.entries[stack.size].frame) return false;
  const Verified verified = verify(layout, stack.entries, stack.size);
  return verified.broken == 0 && verified.changed == stack.size + 1;
}

__attribute__((noinline)) void update_changed(const Runtime& runtime, Stack& stack, std::uintptr_t top,
                                              memray_stack_change& change) {
  const Alignment at = align(runtime.layout, stack, top);
  if (__builtin_expect(!at.ok, false)) return report_nothing(stack, change);
  while (at.live + at.fresh > stack.capacity) {
    if (!grow(stack)) return report_nothing(stack, change);
  }
  rebuild(runtime, stack, at, change);
}

}  // namespace

Stack* new_stack() {
  auto* stack = static_cast<Stack*>(host->map(kStackBytes));
  if (stack && !set_capacity(*stack, kInitialCapacity)) {
    host->unmap(stack, kStackBytes);
    return nullptr;
  }
  return stack;
}

void forget(Stack& stack) {
  stack.size = 0;
  stack.depth = 0;
}

void delete_stack(Stack& stack) {
  host->unmap(stack.entries, stack.arrays_bytes);
  host->unmap(&stack, kStackBytes);
}

void update(Stack& stack, memray_stack_change& change) {
  const Runtime* runtime = active_runtime();
  const std::uintptr_t top = runtime ? top_frame(*runtime) : 0;
  if (top == 0) return report_nothing(stack, change);
  const std::uint32_t generation = code_generation();
  if (__builtin_expect(stack.generation != generation, false)) {
    stack.generation = generation;
    stack.size = 0;
  }
  if (__builtin_expect(is_unchanged(runtime->layout, stack, top), true)) {
    change = {stack.depth, 0, stack.words};
    return;
  }
  update_changed(*runtime, stack, top, change);
}

}  // namespace memray::python
