// Hooks for the entry points that an allocator library has besides malloc: one row of a table each.
//
// All these functions take up to six words and return one, and both calling conventions that we know pass such
// arguments in registers. So one hook, which passes on whatever came, fits every function; what it does with the
// arguments is said by the row, which is known when the hook is compiled.
#pragma once

#include "objects.h"
#include "quiet.h"
#include "slots.h"

#include <errno.h>
#include <string.h>

#include <array>
#include <iterator>
#include <utility>

#pragma GCC visibility push(hidden)

namespace memray::hooks {

enum class Does : std::uint8_t {
  allocate,        // returns a block, or NULL
  allocate_into,   // stores the block in what argument `pointer` points to; returns 0, or an error
  duplicate,       // returns a block with a string in it, unless it is argument `pointer`
  resize,          // of the block `pointer`: returns it, another, or NULL; only a size of 0 may have freed it then
  resize_or_free,  // the same, but the block is gone if it fails
  resize_at,       // of the block that argument `pointer` points to, where the result is stored; returns 0, or an error
  resize_in_place,  // jemalloc's xallocx(p, size, extra, flags): returns the size that the block has then
  release,          // of the block `pointer`
  release_all,      // of the blocks of the heap `pointer`: see release_all below
};

inline constexpr std::int8_t kNone = -1;

// Arguments are named by their place. A block has `size` bytes, or `count` times so many.
struct EntryPoint {
  char name[32];
  Does does;
  memray_allocator kind;
  std::int8_t pointer = kNone;
  std::int8_t size = kNone;
  std::int8_t count = kNone;
};

using Words = std::array<std::uintptr_t, 6>;
using Function6 = std::uintptr_t(std::uintptr_t, std::uintptr_t, std::uintptr_t, std::uintptr_t, std::uintptr_t,
                                 std::uintptr_t);

constexpr std::size_t size_asked(const EntryPoint& entry, const Words& a) {
  if (entry.size == kNone) return 0;
  return a[static_cast<std::size_t>(entry.size)] *
         (entry.count == kNone ? 1 : a[static_cast<std::size_t>(entry.count)]);
}

// Tells of every block of `heap` that it is freed. Made by the backend that has such a function.
void release_all(std::uintptr_t heap, void* frame);

// What has happened, as far as it is known after the call.
inline void report(const EntryPoint& entry, const Words& a, std::uint64_t stamp, std::uintptr_t old,
                   std::uintptr_t result, void* frame) {
  const memray_recorder& recorder = *state.recorder;
  std::size_t size = size_asked(entry, a);
  std::uintptr_t made = result;
  switch (entry.does) {
    case Does::duplicate:
      if (result == 0 || (entry.pointer != kNone && result == old)) return;
      size = strlen(reinterpret_cast<const char*>(result)) + 1;
      [[fallthrough]];
    case Does::allocate:
      if (result != 0) recorder.allocated(entry.kind, result, size, frame);
      return;
    case Does::allocate_into:
      if (result == 0) {
        const auto block = *reinterpret_cast<const std::uintptr_t*>(a[static_cast<std::size_t>(entry.pointer)]);
        recorder.allocated(entry.kind, block, size, frame);
      }
      return;
    case Does::resize:
      if (result == 0 && (old == 0 || size != 0)) return;
      break;
    case Does::resize_or_free:
      break;
    case Does::resize_at:
      if (result != 0) return;
      made = *reinterpret_cast<const std::uintptr_t*>(a[static_cast<std::size_t>(entry.pointer)]);
      break;
    case Does::resize_in_place:
      if (result < size) return;
      size = result < size + a[2] ? size : size + a[2];
      made = old;
      break;
    case Does::release:
    case Does::release_all:
      return;
  }
  if (old != 0 || made != 0) recorder.reallocated(entry.kind, stamp, old, made, size, frame);
}

// The hooks of `kEntries`, whose real functions are in `real_functions`.
template <const auto& kEntries, auto& real_functions>
struct EntryPoints {
  static constexpr std::size_t kCount = std::size(kEntries);

  template <std::size_t I>
  static std::uintptr_t hook(std::uintptr_t a, std::uintptr_t b, std::uintptr_t c, std::uintptr_t d, std::uintptr_t e,
                             std::uintptr_t f) {
    MEMRAY_PERSONALITY();
    constexpr EntryPoint kEntry = kEntries[I];
    const auto function = reinterpret_cast<Function6*>(real_functions[I]);
    if (!is_recording()) return function(a, b, c, d, e, f);
    const Words arguments = {a, b, c, d, e, f};
    std::uintptr_t old = kEntry.pointer == kNone ? 0 : arguments[static_cast<std::size_t>(kEntry.pointer)];
    void* const frame = __builtin_frame_address(0);
    if constexpr (kEntry.does == Does::release || kEntry.does == Does::release_all) {
      if constexpr (kEntry.does == Does::release_all) release_all(old, frame);
      if (kEntry.does == Does::release && old != 0) state.recorder->deallocating(kEntry.kind, old, frame);
      return call_quietly(function, a, b, c, d, e, f);
    } else {
      if constexpr (kEntry.does == Does::resize_at) old = *reinterpret_cast<const std::uintptr_t*>(old);
      const std::uint64_t stamp = state.recorder->stamp(old);
      const std::uintptr_t result = call_quietly(function, a, b, c, d, e, f);
      const int error = errno;
      report(kEntry, arguments, stamp, old, result, frame);
      errno = error;
      return result;
    }
  }

  template <std::size_t... I>
  static void list(Redirection* redirections, std::index_sequence<I...>) {
    ((redirections[I] = {kEntries[I].name, real_functions[I], reinterpret_cast<void*>(hook<I>), false}), ...);
  }

  // Finds the functions and hands them to the patcher.
  static void find() {
    static Redirection redirections[kCount];
    for (std::size_t i = 0; i < kCount; ++i) {
      real_functions[i] = elf::find_from(elf::first_object(), kEntries[i].name).address;
    }
    list(redirections, std::make_index_sequence<kCount>());
    redirect(redirections, kCount);
  }

  static const char* attach(const memray_recorder* recorder) {
    if (recorder->size < sizeof(memray_recorder)) return "the recorder is older than the hooks";
    with_loader_locked(find);
    state.recorder = recorder;
    state.recording = recorder->recording;
    exempt_object_of(reinterpret_cast<const void*>(recorder->allocated));
    return nullptr;
  }

  static void objects_changed() {
    with_loader_locked(find);
    follow_objects();
  }

  static const char* no_name() { return nullptr; }

  static constexpr memray_hooks kHooks = {
      .size = sizeof(memray_hooks),
      .reserved = 0,
      .attach = attach,
      .install = install_slots,
      .uninstall = uninstall_slots,
      .needs_preload = 0,
      .allocator_name = no_name,
      .recording_changed = nullptr,
      .objects_changed = objects_changed,
  };
};

}  // namespace memray::hooks

#pragma GCC visibility pop
