// One allocator call, seen from the side of the program: if nothing is recorded, jump to the real function; else call
// it and tell the recorder, in the order that <memray/hooks.h> asks for.
//
// Calls within calls deserve a word. glibc's malloc gets memory from the kernel without a hook being passed, so what is
// called in it needs no attention, and malloc stays short. jemalloc's malloc calls mmap, glibc's reallocarray calls
// realloc, a program's operator new calls malloc: there the outer call is what the program did, and the word that
// memray_inside gives keeps the inner one out. It is tested once per call and set only where needed.
#include "wrappers.h"

#include "real.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include <utility>

namespace memray::hooks {

namespace {

// call_quietly, but for the functions of which glibc needs no such care.
template <typename Signature, typename... Arguments>
inline auto call_allocator(Signature* function, Arguments... arguments) {
  if (state.foreign_allocator) [[unlikely]]
    return call_quietly(function, arguments...);
  return function(arguments...);
}

inline void* allocated(memray_allocator kind, void* p, std::size_t size, void* at) {
  if (p) state.recorder->allocated(kind, word(p), size, at);
  return p;
}

inline void* reallocated(std::uint64_t stamp, void* old, void* p, std::size_t size, void* at) {
  const bool freed = !p && old && size == 0;
  if (p || freed) state.recorder->reallocated(MEMRAY_REALLOC, stamp, word(old), word(p), size, at);
  return p;
}

// The slow halves are jumped to, not called, so that their frame follows the caller's.

[[gnu::noinline]] void* record_malloc(std::size_t size) {
  const auto function = real<void*(std::size_t)>(Function::malloc);
  if (!is_recording()) return function(size);
  return allocated(MEMRAY_MALLOC, call_allocator(function, size), size, __builtin_frame_address(0));
}

[[gnu::noinline]] void record_free(void* p) {
  const auto function = real<void(void*)>(Function::free);
  if (!p || !is_recording()) return function(p);
  state.recorder->deallocating(MEMRAY_FREE, word(p), __builtin_frame_address(0));
  call_allocator(function, p);
}

[[gnu::noinline]] void* record_calloc(std::size_t count, std::size_t size) {
  const auto function = real<void*(std::size_t, std::size_t)>(Function::calloc);
  if (!is_recording()) return function(count, size);
  return allocated(MEMRAY_CALLOC, call_allocator(function, count, size), count * size, __builtin_frame_address(0));
}

[[gnu::noinline]] void* record_realloc(void* p, std::size_t size) {
  const auto function = real<void*(void*, std::size_t)>(Function::realloc);
  if (!is_recording()) return function(p, size);
  const std::uint64_t stamp = state.recorder->stamp(word(p));
  return reallocated(stamp, p, call_allocator(function, p, size), size, __builtin_frame_address(0));
}

}  // namespace

// The whole cost of a hook while nothing is recorded: three loads, each with a branch, then a jump to the real
// function.
void* hook_malloc(std::size_t size) {
  const auto function = real_if_known<decltype(record_malloc)>(Function::malloc);
  if (is_idle() && function) [[likely]]
    return function(size);
  return record_malloc(size);
}

void hook_free(void* p) {
  const auto function = real_if_known<decltype(record_free)>(Function::free);
  if (is_idle() && function) [[likely]]
    return function(p);
  return record_free(p);
}

void* hook_calloc(std::size_t count, std::size_t size) {
  const auto function = real_if_known<decltype(record_calloc)>(Function::calloc);
  if (is_idle() && function) [[likely]]
    return function(count, size);
  return record_calloc(count, size);
}

void* hook_realloc(void* p, std::size_t size) {
  const auto function = real_if_known<decltype(record_realloc)>(Function::realloc);
  if (is_idle() && function) [[likely]]
    return function(p, size);
  return record_realloc(p, size);
}

void* hook_reallocarray(void* p, std::size_t count, std::size_t size) {
  const auto function = real<void*(void*, std::size_t, std::size_t)>(Function::reallocarray);
  if (!is_recording()) return function(p, count, size);
  const std::uint64_t stamp = state.recorder->stamp(word(p));
  void* result = call_quietly(function, p, count, size);
  const bool freed = !result && (count == 0 || size == 0);  // the product of an overflow may be 0, too
  return result || freed ? reallocated(stamp, p, result, count * size, __builtin_frame_address(0)) : nullptr;
}

int hook_posix_memalign(void** result, std::size_t alignment, std::size_t size) {
  const auto function = real<int(void**, std::size_t, std::size_t)>(Function::posix_memalign);
  if (!is_recording()) return function(result, alignment, size);
  const int error = call_quietly(function, result, alignment, size);
  if (error == 0) allocated(MEMRAY_POSIX_MEMALIGN, *result, size, __builtin_frame_address(0));
  return error;
}

void* hook_aligned_alloc(std::size_t alignment, std::size_t size) {
  const auto function = real<void*(std::size_t, std::size_t)>(Function::aligned_alloc);
  if (!is_recording()) return function(alignment, size);
  return allocated(MEMRAY_ALIGNED_ALLOC, call_quietly(function, alignment, size), size, __builtin_frame_address(0));
}

void* hook_memalign(std::size_t alignment, std::size_t size) {
  const auto function = real<void*(std::size_t, std::size_t)>(Function::memalign);
  if (!is_recording()) return function(alignment, size);
  return allocated(MEMRAY_MEMALIGN, call_quietly(function, alignment, size), size, __builtin_frame_address(0));
}

void* hook_valloc(std::size_t size) {
  const auto function = real<void*(std::size_t)>(Function::valloc);
  if (!is_recording()) return function(size);
  return allocated(MEMRAY_VALLOC, call_quietly(function, size), size, __builtin_frame_address(0));
}

void* hook_pvalloc(std::size_t size) {
  const auto function = real<void*(std::size_t)>(Function::pvalloc);
  if (!is_recording()) return function(size);
  return allocated(MEMRAY_PVALLOC, call_quietly(function, size), size, __builtin_frame_address(0));
}

void hook_cfree(void* p) {
  const auto function = real<void(void*)>(Function::cfree);
  if (!p || !is_recording()) return function(p);
  state.recorder->deallocating(MEMRAY_FREE, word(p), __builtin_frame_address(0));
  call_quietly(function, p);
}

void hook_free_sized(void* p, std::size_t size) {
  const auto function = real<void(void*, std::size_t)>(Function::free_sized);
  if (!p || !is_recording()) return function(p, size);
  state.recorder->deallocating(MEMRAY_FREE, word(p), __builtin_frame_address(0));
  call_quietly(function, p, size);
}

void hook_free_aligned_sized(void* p, std::size_t alignment, std::size_t size) {
  const auto function = real<void(void*, std::size_t, std::size_t)>(Function::free_aligned_sized);
  if (!p || !is_recording()) return function(p, alignment, size);
  state.recorder->deallocating(MEMRAY_FREE, word(p), __builtin_frame_address(0));
  call_quietly(function, p, alignment, size);
}

void* hook_mmap(void* at, std::size_t length, int protection, int flags, int fd, off_t offset) {
  const auto function = real<decltype(hook_mmap)>(Function::mmap);
  if (!is_recording()) return function(at, length, protection, flags, fd, offset);
  void* p = call_quietly(function, at, length, protection, flags, fd, offset);
  if (p != MAP_FAILED)
    state.recorder->mapped(word(p), length, flags, (flags & MAP_ANONYMOUS) ? -1 : fd, __builtin_frame_address(0));
  return p;
}

void* hook_mmap64(void* at, std::size_t length, int protection, int flags, int fd, off64_t offset) {
  const auto function = real<decltype(hook_mmap64)>(Function::mmap64);
  if (!is_recording()) return function(at, length, protection, flags, fd, offset);
  void* p = call_quietly(function, at, length, protection, flags, fd, offset);
  if (p != MAP_FAILED)
    state.recorder->mapped(word(p), length, flags, (flags & MAP_ANONYMOUS) ? -1 : fd, __builtin_frame_address(0));
  return p;
}

int hook_munmap(void* address, std::size_t length) {
  const auto function = real<decltype(hook_munmap)>(Function::munmap);
  if (!is_recording()) return function(address, length);
  const std::uint64_t stamp = state.recorder->stamp(0);
  const int result = call_quietly(function, address, length);
  if (result == 0) state.recorder->unmapped(stamp, word(address), length, __builtin_frame_address(0));
  return result;
}

void* hook_mremap(void* old, std::size_t old_length, std::size_t length, int flags, void* at) {
  const auto function = real<decltype(hook_mremap)>(Function::mremap);
  if (!is_recording()) return function(old, old_length, length, flags, at);
  const std::uint64_t stamp = state.recorder->stamp(0);
  void* p = call_quietly(function, old, old_length, length, flags, at);
  if (p != MAP_FAILED) {
    const int keep_old = (flags & MREMAP_DONTUNMAP) != 0 || old_length == 0;
    state.recorder->remapped(stamp, word(old), old_length, word(p), length, keep_old, __builtin_frame_address(0));
  }
  return p;
}

int hook_pthread_setname_np(unsigned long thread, const char* name) {
  const int error = real<decltype(hook_pthread_setname_np)>(Function::pthread_setname_np)(thread, name);
  if (error == 0 && is_recording()) state.recorder->thread_named(thread == pthread_self(), thread, name);
  return error;
}

int hook_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d) {
  const int result = real<decltype(hook_prctl)>(Function::prctl)(option, a, b, c, d);
  if (option == PR_SET_NAME && result == 0 && is_recording()) {
    state.recorder->thread_named(1, pthread_self(), reinterpret_cast<const char*>(a));
  }
  return result;
}

// operator new and operator delete, in all their forms. Whatever follows the first argument (size, alignment, the
// address of std::nothrow) is passed on as it came: at most two more words, which all calling conventions we know pass
// in registers, so that one wrapper fits all forms.
namespace {

template <std::size_t I>
void* hook_new(std::size_t size, std::uintptr_t a, std::uintptr_t b) {
  MEMRAY_PERSONALITY();
  const auto function =
      reinterpret_cast<void* (*)(std::size_t, std::uintptr_t, std::uintptr_t)>(real_address[kFirstNew + I]);
  if (!is_recording()) return function(size, a, b);
  return allocated(MEMRAY_MALLOC, call_quietly(function, size, a, b), size, __builtin_frame_address(0));
}

template <std::size_t I>
void hook_delete(void* p, std::uintptr_t a, std::uintptr_t b) {
  MEMRAY_PERSONALITY();
  const auto function =
      reinterpret_cast<void (*)(void*, std::uintptr_t, std::uintptr_t)>(real_address[kFirstDelete + I]);
  if (!p || !is_recording()) return function(p, a, b);
  state.recorder->deallocating(MEMRAY_FREE, word(p), __builtin_frame_address(0));
  call_quietly(function, p, a, b);
}

template <std::size_t... I>
void* new_hook(std::size_t i, std::index_sequence<I...>) {
  static void* const hooks[] = {reinterpret_cast<void*>(hook_new<I>)...};
  return hooks[i];
}

template <std::size_t... I>
void* delete_hook(std::size_t i, std::index_sequence<I...>) {
  static void* const hooks[] = {reinterpret_cast<void*>(hook_delete<I>)...};
  return hooks[i];
}

}  // namespace

void* replacement(std::size_t function) {
#define MEMRAY_REPLACEMENT(name) reinterpret_cast<void*>(hook_##name),
  static void* const hooks[] = {MEMRAY_HOOKED_FUNCTIONS(MEMRAY_REPLACEMENT)};
#undef MEMRAY_REPLACEMENT
  if (function < kFirstNew) return hooks[function];
  if (function < kFirstDelete) return new_hook(function - kFirstNew, std::make_index_sequence<kNewCount>());
  return delete_hook(function - kFirstDelete, std::make_index_sequence<kDeleteCount>());
}

}  // namespace memray::hooks
