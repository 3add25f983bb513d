// The functions that are hooked: one list, from which everything that goes by function is made.
//
// Nothing in here needs relocation (names are inline arrays, not pointers), because the preload backend can be called
// before the dynamic linker has relocated it.
#pragma once

#include <cstddef>

namespace memray::hooks {

// Laid out by hand: clang-format takes the lists for calls and never agrees with itself.
// clang-format off
#define MEMRAY_HOOKED_FUNCTIONS(X)                                                                        \
  X(malloc) X(free) X(calloc) X(realloc) X(reallocarray) X(posix_memalign) X(aligned_alloc) X(memalign)   \
  X(valloc) X(pvalloc) X(cfree) X(free_sized) X(free_aligned_sized) X(mmap) X(mmap64) X(munmap) X(mremap) \
  X(dlopen) X(dlclose) X(dlsym) X(execve) X(execv) X(execvp) X(execvpe) X(execl) X(execlp) X(execle)      \
  X(fexecve) X(execveat) X(posix_spawn) X(posix_spawnp) X(pthread_setname_np) X(prctl)

// Mangled names: `operator new` and `operator delete`, plain, array, aligned, sized, nothrow.
#define MEMRAY_HOOKED_NEW(X)                                                                          \
  X(_Znwm) X(_Znam) X(_ZnwmRKSt9nothrow_t) X(_ZnamRKSt9nothrow_t) X(_ZnwmSt11align_val_t)             \
  X(_ZnamSt11align_val_t) X(_ZnwmSt11align_val_tRKSt9nothrow_t) X(_ZnamSt11align_val_tRKSt9nothrow_t)
#define MEMRAY_HOOKED_DELETE(X)                                                                         \
  X(_ZdlPv) X(_ZdaPv) X(_ZdlPvm) X(_ZdaPvm) X(_ZdlPvRKSt9nothrow_t) X(_ZdaPvRKSt9nothrow_t)             \
  X(_ZdlPvSt11align_val_t) X(_ZdaPvSt11align_val_t) X(_ZdlPvmSt11align_val_t) X(_ZdaPvmSt11align_val_t) \
  X(_ZdlPvSt11align_val_tRKSt9nothrow_t) X(_ZdaPvSt11align_val_tRKSt9nothrow_t)
// clang-format on

#define MEMRAY_ENUMERATOR(name) name,
#define MEMRAY_COUNT(name) +1
#define MEMRAY_NAME(name) #name,

enum class Function : unsigned { MEMRAY_HOOKED_FUNCTIONS(MEMRAY_ENUMERATOR) operators };

inline constexpr std::size_t kNewCount = 0 MEMRAY_HOOKED_NEW(MEMRAY_COUNT);
inline constexpr std::size_t kDeleteCount = 0 MEMRAY_HOOKED_DELETE(MEMRAY_COUNT);
inline constexpr std::size_t kFirstNew = static_cast<std::size_t>(Function::operators);
inline constexpr std::size_t kFirstDelete = kFirstNew + kNewCount;
inline constexpr std::size_t kFunctionCount = kFirstDelete + kDeleteCount;

inline constexpr char kFunctionNames[kFunctionCount][40] = {
    MEMRAY_HOOKED_FUNCTIONS(MEMRAY_NAME) MEMRAY_HOOKED_NEW(MEMRAY_NAME) MEMRAY_HOOKED_DELETE(MEMRAY_NAME)};

#undef MEMRAY_ENUMERATOR
#undef MEMRAY_COUNT
#undef MEMRAY_NAME

constexpr std::size_t index(Function f) { return static_cast<std::size_t>(f); }
constexpr bool is_operator(std::size_t function) { return function >= kFirstNew; }

}  // namespace memray::hooks
