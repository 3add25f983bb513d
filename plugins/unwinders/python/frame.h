// Looking at a frame of the calling thread.
//
// A thread's chain of frames is changed by that thread alone, and its frames own their code objects, so a thread may
// read its own chain at any moment, with or without the GIL. What the chain links is of three kinds: Python frames;
// shims that CPython 3.12 and later put where its C code called the evaluator; and frames not yet begun, which are
// still setting themselves up (making cells, say) and which CPython itself leaves out of tracebacks.
#pragma once

#include "runtime.h"

#include <cstdint>
#include <cstring>

namespace memray::python {

template <typename T>
inline T load(std::uintptr_t address) {
  T value;
  std::memcpy(&value, reinterpret_cast<const void*>(address), sizeof value);  // NOLINT(bugprone-sizeof-expression)
  return value;
}

// What a thread remembers of itself.
struct ThreadState {
  std::uintptr_t self = 0;   // pthread_self()
  std::uintptr_t state = 0;  // as found last
};

// The calling thread's state, or 0.
inline std::uintptr_t thread_state(const Runtime& runtime) {
  // The attached state is the right one in sub-interpreters; a thread that has released the GIL has none, but it still
  // has the state that it will attach again.
  const std::uintptr_t attached = runtime.attached_thread_state ? runtime.attached_thread_state() : 0;
  return attached != 0 ? attached : runtime.thread_state();
}

// The same without calling anything, or 0: it has to be asked for. CPython's own look into thread-specific data takes
// as long as verifying five frames, so before 3.12 a thread that holds the GIL, as most do that allocate, is told by
// its state being the current one. The state that a thread remembers may have been freed, and another thread may have
// one at its address now: so whose it is is looked at, which is safe as the current one exists.
inline std::uintptr_t known_thread_state(const Runtime& runtime, const ThreadState& known) {
  const std::atomic<std::uintptr_t>* const current = runtime.current_state;
  if (!current || known.state == 0 || current->load(std::memory_order_relaxed) != known.state) return 0;
  return load<std::uintptr_t>(known.state + runtime.layout.thread_id) == known.self ? known.state : 0;
}

// The innermost frame of the calling thread, whose state is `thread`.
inline std::uintptr_t top_frame(const Runtime& runtime, std::uintptr_t thread) {
  if (thread == 0) return 0;
  // The states of daemon threads are freed under their feet.
  const auto finalizing = load<std::uintptr_t>(runtime.runtime.address + runtime.layout.finalizing);
  if (__builtin_expect(finalizing != 0, false) && finalizing != thread) return 0;
  std::uintptr_t frame = load<std::uintptr_t>(thread + runtime.layout.thread_frame);
  if (runtime.layout.thread_indirect && frame != 0) {
    frame = load<std::uintptr_t>(frame + runtime.layout.thread_indirect_frame);
  }
  return frame;
}
inline std::uintptr_t top_frame(const Runtime& runtime) { return top_frame(runtime, thread_state(runtime)); }

inline std::uintptr_t previous(const Layout& layout, std::uintptr_t frame) {
  return load<std::uintptr_t>(frame + layout.previous);
}
inline std::uint64_t executable(const Layout& layout, std::uintptr_t frame) {
  return load<std::uint64_t>(frame + layout.executable);
}
// A 64-bit load on every version, so that the hot path has no case for the older ones.
inline std::uint64_t instruction(const Layout& layout, std::uintptr_t frame) {
  return load<std::uint64_t>(frame + layout.instruction) & layout.instruction_mask;
}

enum class FrameState : std::uint8_t { running, not_begun, shim };

struct FrameView {
  FrameState state = FrameState::shim;
  std::uintptr_t code = 0;
  // In bytes from the start of the bytecode, of the instruction being executed (for a caller: of its call), or of one
  // of its inline caches. 0xffffffff on 3.9 and 3.10: about to execute the first one.
  std::uint32_t offset = 0;
};

// The bytecode that `frame` runs.
inline std::uintptr_t bytecode(const Layout& layout, std::uintptr_t frame, std::uintptr_t code) {
  if (layout.has_thread_bytecode) {
    const auto copies = load<std::uintptr_t>(code + layout.thread_bytecodes);
    const auto index = load<std::int32_t>(frame + layout.thread_bytecode_index);
    if (copies != 0 && index > 0 && index < load<std::int64_t>(copies)) {
      return load<std::uintptr_t>(copies + 8 + static_cast<std::uintptr_t>(index) * 8);
    }
  }
  return code + layout.bytecode;
}

inline FrameView look(const Layout& layout, std::uintptr_t frame, std::uint64_t executable, std::uint64_t instruction) {
  FrameView view;
  view.code = executable & layout.executable_mask;
  if (layout.instruction_kind == Instruction::index) {
    const auto index = static_cast<std::int32_t>(instruction);
    view.offset = index < 0 ? 0xffff'ffff : static_cast<std::uint32_t>(index) * layout.index_scale;
    view.state = FrameState::running;
    return view;
  }
  const auto owner = load<std::uint8_t>(frame + layout.owner);
  if (owner >= layout.first_shim_owner || view.code == 0) return view;
  const std::uintptr_t start = bytecode(layout, frame, view.code);
  const auto distance = static_cast<std::int64_t>(instruction - start);
  constexpr std::uint8_t kOwnedByGenerator = 1;
  const std::int64_t first = std::int64_t{load<std::int32_t>(view.code + layout.first_traceable)} * 2;
  view.state = owner != kOwnedByGenerator && distance < first ? FrameState::not_begun : FrameState::running;
  view.offset = distance < 0 ? 0xffff'ffff : static_cast<std::uint32_t>(distance);
  return view;
}

inline FrameView look(const Layout& layout, std::uintptr_t frame) {
  return look(layout, frame, executable(layout, frame), instruction(layout, frame));
}

}  // namespace memray::python
