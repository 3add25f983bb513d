// The Python stack at an allocation, at about a nanosecond a frame.
//
// Reading the whole chain of frames at every allocation would cost ten: each frame must be loaded before the next one's
// address is known, and each code object must be looked up. But between two allocations of a thread only a frame or two
// change. So the last chain is kept, root to top, as (frame, code, instruction), and is verified instead of read again.
//
// Stopping early, at the first frame that looks the same, would be wrong: frames below it may have moved on, and a
// frame address says nothing, since frames are popped and pushed at the same place. So every link is compared, to the
// root. That is cheap, because the link says where the next frame must be: the processor runs ahead along the array,
// and the comparisons are only branches that it predicts (chain.h). Links are identified by what they contain, so reuse
// of frames does no harm; reuse of code objects raises the generation (code_table.cc).
//
//   1. Align: the live top is looked for among the last few links; while it is not there, it is a fresh frame, and
//      the search goes on from its caller.
//   2. Verify from there to the root. Where a link's caller is another one than before (a generator that is resumed
//      from elsewhere), the frames so far are taken as fresh and step 1 goes on from the new caller.
//   3. Rebuild above the lowest change. If there is none, nothing is written at all.
//
// Deep stacks that have been left without an allocation are found again by searching all links after 8, 16, 32, ...
// fresh frames.
//
// A signal handler may allocate while the evaluator links a frame, and finds rubbish there: CPython 3.11 and 3.12 make
// a C frame current before they fill in its pointer to the Python frame, and compilers reorder the stores of all
// versions. So a pointer that is not already among the links is looked into only if its page is known to be readable
// (one compare, and a system call for each page seen for the first time), and chains that run in circles are dropped.
#include "walk.h"

#include "chain.h"
#include "code_table.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

namespace memray::python {

// What is known about a link's frame.
struct Entry {
  std::uint32_t number;  // of the code object; 0: the frame is not shown
  std::uint32_t depth;   // frames shown up to here, this one included
  bool shim;
};

constexpr std::uintptr_t kPage = 4096;
constexpr std::uint32_t kPagesKnown = 256;

// links[1] and entries[1] are the outermost frame.
struct Stack {
  std::uint32_t generation;
  std::uint32_t size;   // links that are valid
  std::uint32_t depth;  // words reported
  std::uint32_t capacity;
  Link* links;     // [-kAtOnce + 1, capacity]
  Entry* entries;  // [0, capacity]
  ThreadState known;
  std::uint64_t* words;   // capacity
  std::uintptr_t* fresh;  // capacity; top first
  std::size_t arrays_bytes;
  std::uintptr_t readable[kPagesKnown];  // inverted page numbers, each at its own modulo kPagesKnown
  char text[1];                          // up to the end of the mapping
};

alignas(64) const char unchanging_frame[kUnchangingBytes] = {};

namespace {

constexpr std::size_t kStackBytes = 16 << 10;
constexpr std::uint32_t kInitialCapacity = 200;
constexpr std::uint32_t kLargestCapacity = (1u << 23) - 1;
constexpr std::uint32_t kNearTop = 6;

std::atomic<Moment> moments{Moment::address};

// The arrays, one after the other.
struct Arrays {
  Link* links;
  Entry* entries;
  std::uint64_t* words;
  std::uintptr_t* fresh;
};

std::size_t bytes_for(std::size_t capacity) {
  const std::size_t bytes =
      (capacity + kAtOnce) * sizeof(Link) + capacity * 2 * sizeof(std::uint64_t) + (capacity + 1) * sizeof(Entry);
  return (bytes + kPage - 1) / kPage * kPage;
}

Arrays arrays_in(void* memory, std::size_t capacity) {
  Arrays arrays;
  arrays.links = static_cast<Link*>(memory) + (kAtOnce - 1);
  arrays.words = reinterpret_cast<std::uint64_t*>(arrays.links + capacity + 1);
  arrays.fresh = arrays.words + capacity;
  arrays.entries = reinterpret_cast<Entry*>(arrays.fresh + capacity);
  return arrays;
}

void* memory_of(const Stack& stack) { return stack.links - (kAtOnce - 1); }

bool set_capacity(Stack& stack, std::uint32_t capacity) {
  const std::size_t bytes = bytes_for(capacity);
  void* memory = host->map(bytes);
  if (!memory) return false;
  const Arrays arrays = arrays_in(memory, capacity);
  for (std::uint32_t i = 0; i < kAtOnce; ++i) {
    *(arrays.links - i) = {reinterpret_cast<std::uintptr_t>(unchanging_frame), 0, 0, 0};
  }
  if (stack.links) {
    std::memcpy(arrays.links + 1, stack.links + 1, stack.capacity * sizeof(Link));
    std::memcpy(arrays.words, stack.words, stack.capacity * sizeof *arrays.words);
    std::memcpy(arrays.fresh, stack.fresh, stack.capacity * sizeof *arrays.fresh);
    std::memcpy(arrays.entries, stack.entries, (std::size_t{stack.capacity} + 1) * sizeof(Entry));
    host->unmap(memory_of(stack), stack.arrays_bytes);
  }
  stack.links = arrays.links;
  stack.words = arrays.words;
  stack.fresh = arrays.fresh;
  stack.entries = arrays.entries;
  stack.capacity = capacity;
  stack.arrays_bytes = bytes;
  return true;
}

__attribute__((noinline, cold)) bool grow(Stack& stack) {
  return stack.capacity <= kLargestCapacity / 2 && set_capacity(stack, stack.capacity * 2);
}

TextBuffer text_buffer(Stack& stack) { return {stack.text, kStackBytes - offsetof(Stack, text)}; }

struct Verified {
  std::uint32_t broken;   // the outermost link that is live, if its caller is another one than before; else 0
  std::uint32_t changed;  // the outermost link that has moved on; `from` + 1 if none has
};

// The frame of link `from` is live. Are those below it what they were?
template <Moment kMoment>
inline Verified verify(const Layout& layout, const Link* links, std::uint32_t from) {
  std::uint32_t changed = from + 1;
  while (const std::uint32_t at = first_difference<kMoment>(layout, links, from)) {
    if (previous(layout, links[at].frame) != links[at].caller) return {at, changed};
    changed = at;
    from = at - 1;
  }
  return {0, changed};
}

// The link of `frame` among the first `limit`, or 0.
inline std::uint32_t find(const Stack& stack, std::uintptr_t frame, std::uint32_t limit, std::uint32_t fresh) {
  const bool everywhere = fresh >= 8 && (fresh & (fresh - 1)) == 0;
  const std::uint32_t stop = everywhere || limit <= kNearTop ? 0 : limit - kNearTop;
  for (std::uint32_t i = limit; i > stop; --i) {
    if (stack.links[i].frame == frame) return i;
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
  const std::uintptr_t last = address + bytes - 1;
  return is_readable(stack, address) && (last / kPage == address / kPage || is_readable(stack, last));
}

constexpr std::size_t kFrameBytes = 112;  // what we look at of a frame, and of a code object
constexpr std::size_t kCodeBytes = 208;

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
  std::uint32_t keep;   // links that are still true
  std::uint32_t live;   // links whose frames are still in the chain
  std::uint32_t fresh;  // frames above them, in stack.fresh
  bool ok;
};

template <Moment kMoment>
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
    const Verified verified = verify<kMoment>(layout, stack.links, at);
    if (verified.broken == 0) return {verified.changed - 1, at, fresh.count(), true};
    for (std::uint32_t i = at; i >= verified.broken; --i) {
      if (!fresh.push(stack.links[i].frame)) return {0, 0, 0, false};
    }
    frame = previous(layout, stack.links[verified.broken].frame);
    limit = verified.broken - 1;
  }
}

// Is this frame the first of its C evaluator activation? `caller` is 0 for the outermost.
template <Moment kMoment>
inline bool is_entry(const Layout& layout, std::uint64_t moment, std::uintptr_t caller, bool below_shim) {
  if constexpr (kMoment == Moment::index) return true;
  if constexpr (kMoment == Moment::address_and_flag) return flag_of(moment) != 0;
  return !layout.has_entry_flag && (below_shim || caller == 0);
}

// Describes links[at.keep + 1] and what is above. Links and entries still hold what was at their heights before, as far
// as `stack.size` says.
template <Moment kMoment>
inline void rebuild(const Runtime& runtime, Stack& stack, const Alignment& at, memray_stack_change& change) {
  const Layout& layout = runtime.layout;
  const std::uint32_t old_size = stack.size;
  const std::uint32_t old_depth = stack.depth;
  const std::uint32_t size = at.live + at.fresh;
  std::uint32_t depth = at.keep == 0 ? 0 : stack.entries[at.keep].depth;
  bool shim = at.keep != 0 && stack.entries[at.keep].shim;
  std::uint32_t same = depth;  // leading words that need not be reported again
  std::uintptr_t caller = at.keep == 0 ? 0 : stack.links[at.keep].frame;
  for (std::uint32_t i = at.keep + 1; i <= size; ++i) {
    Link& link = stack.links[i];
    Entry& entry = stack.entries[i];
    const std::uintptr_t frame = i <= at.live ? link.frame : stack.fresh[at.fresh - 1 - (i - at.live - 1)];
    const std::uint64_t code_word = executable(layout, frame);
    const std::uint64_t now = moment<kMoment>(layout, frame);
    // Recursion meets the same code again; its number is then at hand.
    std::uint32_t number = i <= old_size && link.executable == code_word ? entry.number : 0;
    link = {frame, caller, now, code_word};
    const bool below_shim = shim;
    const std::uintptr_t its_caller = std::exchange(caller, frame);
    FrameView view;
    const bool readable = number != 0 || is_readable(stack, code_word & layout.executable_mask, kCodeBytes);
    if (__builtin_expect(readable, true)) view = look(layout, frame, code_word, instruction_of(now));
    shim = readable && view.state == FrameState::shim;
    if (view.state != FrameState::running) {
      number = 0;
    } else if (number == 0) {
      number = number_of_code(runtime, view.code, text_buffer(stack));
    }
    depth += number != 0;
    entry = {number, depth, shim};
    if (number == 0) continue;
    const std::uint64_t flag = is_entry<kMoment>(layout, now, its_caller, below_shim) ? MEMRAY_PYTHON_ENTRY_FRAME : 0;
    const std::uint64_t word = flag | MEMRAY_PYTHON_FRAME(number, view.offset);
    if (same == depth - 1 && depth <= old_depth && stack.words[depth - 1] == word) {
      ++same;
    } else {
      stack.words[depth - 1] = word;
    }
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

template <Moment kMoment>
__attribute__((noinline)) void update_changed(const Runtime& runtime, Stack& stack, std::uintptr_t top,
                                              memray_stack_change& change) {
  const Alignment at = align<kMoment>(runtime.layout, stack, top);
  if (__builtin_expect(!at.ok, false)) return report_nothing(stack, change);
  while (at.live + at.fresh > stack.capacity) {
    if (!grow(stack)) return report_nothing(stack, change);
  }
  rebuild<kMoment>(runtime, stack, at, change);
}

// Link `at` is the live top of the stack, in the same call as before, and what is below it has not changed. False: it
// runs other code now, or is not shown.
template <Moment kMoment>
inline bool move_on(const Layout& layout, Stack& stack, std::uint32_t at, memray_stack_change& change) {
  Link& link = stack.links[at];
  const Entry& entry = stack.entries[at];
  if (entry.number == 0 || executable(layout, link.frame) != link.executable) return false;
  const std::uint64_t now = moment<kMoment>(layout, link.frame);
  const FrameView view = look(layout, link.frame, link.executable, instruction_of(now));
  if (view.state != FrameState::running) return false;
  link.moment = now;
  std::uint64_t& word = stack.words[entry.depth - 1];
  std::uint64_t flag = word & MEMRAY_PYTHON_ENTRY_FRAME;
  if constexpr (kMoment == Moment::address_and_flag) flag = flag_of(now) != 0 ? MEMRAY_PYTHON_ENTRY_FRAME : 0;
  word = flag | MEMRAY_PYTHON_FRAME(entry.number, view.offset);
  stack.size = at;
  stack.depth = entry.depth;
  change = {entry.depth - 1, 1, &word};
  return true;
}

// Nearly always, the live top is one of the last links, and it alone has moved on.
template <Moment kMoment>
__attribute__((noinline)) void update_moved(const Runtime& runtime, Stack& stack, std::uintptr_t top,
                                            memray_stack_change& change) {
  const Layout& layout = runtime.layout;
  const std::uint32_t at = find(stack, top, stack.size, 0);
  if (at != 0 && previous(layout, top) == stack.links[at].caller &&
      are_unchanged<kMoment>(layout, stack.links, at - 1) && move_on<kMoment>(layout, stack, at, change))
    return;
  update_changed<kMoment>(runtime, stack, top, change);
}

// The most frequent case is that nothing has changed, and this is all there is to it: no call but at the end, so no
// register has to be saved.
template <Moment kMoment>
[[gnu::always_inline]] inline void update(const Runtime& runtime, Stack& stack, std::uintptr_t top,
                                          memray_stack_change& change) {
  if (__builtin_expect(top == stack.links[stack.size].frame, true) &&
      __builtin_expect(are_unchanged<kMoment>(runtime.layout, stack.links, stack.size), true)) {
    change = {stack.depth, 0, stack.words};
    return;
  }
  update_moved<kMoment>(runtime, stack, top, change);
}

}  // namespace

Stack* new_stack() {
  auto* stack = static_cast<Stack*>(host->map(kStackBytes));
  if (!stack) return nullptr;
  if (!set_capacity(*stack, kInitialCapacity)) {
    host->unmap(stack, kStackBytes);
    return nullptr;
  }
  forget(*stack);
  return stack;
}

// Called in its thread, which may be another one than before.
void forget(Stack& stack) {
  stack.size = 0;
  stack.depth = 0;
  stack.known = {pthread_self(), 0};
}

void delete_stack(Stack& stack) {
  host->unmap(memory_of(stack), stack.arrays_bytes);
  host->unmap(&stack, kStackBytes);
}

void prepare_walk(const Runtime& runtime) {
  const Layout& layout = runtime.layout;
  const bool flag = layout.has_entry_flag && host->has_native_stacks();
  moments.store(layout.instruction_kind == Instruction::index ? Moment::index
                : flag                                        ? Moment::address_and_flag
                                                              : Moment::address,
                std::memory_order_release);
}

namespace {

[[gnu::always_inline]] inline void update(const Runtime& runtime, Stack& stack, std::uintptr_t thread,
                                          memray_stack_change& change) {
  const std::uintptr_t top = top_frame(runtime, thread);
  if (__builtin_expect(top == 0, false)) return report_nothing(stack, change);
  const std::uint32_t generation = code_generation();
  if (__builtin_expect(stack.generation != generation, false)) {
    stack.generation = generation;
    stack.size = 0;
  }
  switch (moments.load(std::memory_order_relaxed)) {
    case Moment::address:
      return update<Moment::address>(runtime, stack, top, change);
    case Moment::address_and_flag:
      return update<Moment::address_and_flag>(runtime, stack, top, change);
    case Moment::index:
      return update<Moment::index>(runtime, stack, top, change);
  }
}

__attribute__((noinline)) void update_unknown(const Runtime& runtime, Stack& stack, memray_stack_change& change) {
  stack.known.state = thread_state(runtime);
  update(runtime, stack, stack.known.state, change);
}

}  // namespace

void update(Stack& stack, memray_stack_change& change) {
  const Runtime* runtime = active_runtime();
  if (__builtin_expect(!runtime, false)) return report_nothing(stack, change);
  const std::uintptr_t thread = known_thread_state(*runtime, stack.known);
  if (thread == 0) return update_unknown(*runtime, stack, change);
  update(*runtime, stack, thread, change);
}

}  // namespace memray::python
