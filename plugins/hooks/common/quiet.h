// Whether the calling thread records, and calling a real function without recording what it calls in turn.
//
// Exceptions. A program's own operator new may throw through our frame, and the thread's word must not stay set. C++
// would have the compiler emit a cleanup, which needs the C++ runtime in a place where there may be none. All that is
// needed of it is the personality routine, the function that the unwinder calls for each frame it is about to leave:
// ours clears the word and lets the unwinder go on. Hooks of functions that may throw begin with MEMRAY_PERSONALITY.
#pragma once

#include <memray/hooks.h>

#include <cstdint>
#include <type_traits>

#pragma GCC visibility push(hidden)

namespace memray::hooks {

struct State {
  const memray_recorder* recorder = nullptr;
  const volatile std::uint32_t* recording = nullptr;  // null before attach
  bool foreign_allocator = false;
};
extern State state;

inline bool is_idle() {
  const volatile std::uint32_t* word = state.recording;
  return !word || *word == 0;
}

inline bool is_recording() { return !is_idle() && *memray_inside(state.recorder) == 0; }

inline std::uintptr_t word(const void* p) { return reinterpret_cast<std::uintptr_t>(p); }

// Calls a real function whose own allocator calls are not recorded.
template <typename Signature, typename... Arguments>
inline auto call_quietly(Signature* function, Arguments... arguments) {
  volatile std::uint32_t& inside = *memray_inside(state.recorder);
  inside = 1;
  if constexpr (std::is_void_v<decltype(function(arguments...))>) {
    function(arguments...);
    inside = 0;
  } else {
    const auto result = function(arguments...);
    inside = 0;
    return result;
  }
}

#define MEMRAY_PERSONALITY() __asm__ volatile(".cfi_personality 0x1b, memray_leave_operator")

}  // namespace memray::hooks

#pragma GCC visibility pop
