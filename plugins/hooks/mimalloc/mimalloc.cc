// The `mimalloc` hook backend: mimalloc's mi_* functions. mi_heap_destroy frees every block of a heap at once: the heap
// is asked for them before.
#include "entry_points.h"

namespace memray::hooks {

namespace {

// clang-format off
constexpr EntryPoint kEntries[] = {
    {"mi_malloc", Does::allocate, MEMRAY_MALLOC, kNone, 0},
    {"mi_malloc_small", Does::allocate, MEMRAY_MALLOC, kNone, 0},
    {"mi_mallocn", Does::allocate, MEMRAY_MALLOC, kNone, 1, 0},
    {"mi_calloc", Does::allocate, MEMRAY_CALLOC, kNone, 1, 0},
    {"mi_zalloc", Does::allocate, MEMRAY_CALLOC, kNone, 0},
    {"mi_zalloc_small", Does::allocate, MEMRAY_CALLOC, kNone, 0},
    {"mi_malloc_aligned", Does::allocate, MEMRAY_ALIGNED_ALLOC, kNone, 0},
    {"mi_zalloc_aligned", Does::allocate, MEMRAY_ALIGNED_ALLOC, kNone, 0},
    {"mi_calloc_aligned", Does::allocate, MEMRAY_ALIGNED_ALLOC, kNone, 1, 0},
    {"mi_malloc_aligned_at", Does::allocate, MEMRAY_ALIGNED_ALLOC, kNone, 0},
    {"mi_zalloc_aligned_at", Does::allocate, MEMRAY_ALIGNED_ALLOC, kNone, 0},
    {"mi_calloc_aligned_at", Does::allocate, MEMRAY_ALIGNED_ALLOC, kNone, 1, 0},
    {"mi_realloc", Does::resize, MEMRAY_REALLOC, 0, 1},
    {"mi_rezalloc", Does::resize, MEMRAY_REALLOC, 0, 1},
    {"mi_recalloc", Does::resize, MEMRAY_REALLOC, 0, 2, 1},
    {"mi_realloc_aligned", Does::resize, MEMRAY_REALLOC, 0, 1},
    {"mi_rezalloc_aligned", Does::resize, MEMRAY_REALLOC, 0, 1},
    {"mi_recalloc_aligned", Does::resize, MEMRAY_REALLOC, 0, 2, 1},
    {"mi_realloc_aligned_at", Does::resize, MEMRAY_REALLOC, 0, 1},
    {"mi_rezalloc_aligned_at", Does::resize, MEMRAY_REALLOC, 0, 1},
    {"mi_recalloc_aligned_at", Does::resize, MEMRAY_REALLOC, 0, 2, 1},
    {"mi_reallocn", Does::resize, MEMRAY_REALLOC, 0, 2, 1},
    {"mi_reallocf", Does::resize_or_free, MEMRAY_REALLOC, 0, 1},
    {"mi_strdup", Does::duplicate, MEMRAY_MALLOC},
    {"mi_strndup", Does::duplicate, MEMRAY_MALLOC},
    {"mi_realpath", Does::duplicate, MEMRAY_MALLOC, 1},
    {"mi_heap_malloc", Does::allocate, MEMRAY_MALLOC, kNone, 1},
    {"mi_heap_malloc_small", Does::allocate, MEMRAY_MALLOC, kNone, 1},
    {"mi_heap_mallocn", Does::allocate, MEMRAY_MALLOC, kNone, 2, 1},
    {"mi_heap_calloc", Does::allocate, MEMRAY_CALLOC, kNone, 2, 1},
    {"mi_heap_zalloc", Does::allocate, MEMRAY_CALLOC, kNone, 1},
    {"mi_heap_malloc_aligned", Does::allocate, MEMRAY_ALIGNED_ALLOC, kNone, 1},
    {"mi_heap_zalloc_aligned", Does::allocate, MEMRAY_ALIGNED_ALLOC, kNone, 1},
    {"mi_heap_calloc_aligned", Does::allocate, MEMRAY_ALIGNED_ALLOC, kNone, 2, 1},
    {"mi_heap_malloc_aligned_at", Does::allocate, MEMRAY_ALIGNED_ALLOC, kNone, 1},
    {"mi_heap_zalloc_aligned_at", Does::allocate, MEMRAY_ALIGNED_ALLOC, kNone, 1},
    {"mi_heap_calloc_aligned_at", Does::allocate, MEMRAY_ALIGNED_ALLOC, kNone, 2, 1},
    {"mi_heap_realloc", Does::resize, MEMRAY_REALLOC, 1, 2},
    {"mi_heap_rezalloc", Does::resize, MEMRAY_REALLOC, 1, 2},
    {"mi_heap_recalloc", Does::resize, MEMRAY_REALLOC, 1, 3, 2},
    {"mi_heap_realloc_aligned", Does::resize, MEMRAY_REALLOC, 1, 2},
    {"mi_heap_rezalloc_aligned", Does::resize, MEMRAY_REALLOC, 1, 2},
    {"mi_heap_recalloc_aligned", Does::resize, MEMRAY_REALLOC, 1, 3, 2},
    {"mi_heap_realloc_aligned_at", Does::resize, MEMRAY_REALLOC, 1, 2},
    {"mi_heap_rezalloc_aligned_at", Does::resize, MEMRAY_REALLOC, 1, 2},
    {"mi_heap_recalloc_aligned_at", Does::resize, MEMRAY_REALLOC, 1, 3, 2},
    {"mi_heap_reallocn", Does::resize, MEMRAY_REALLOC, 1, 3, 2},
    {"mi_heap_reallocf", Does::resize_or_free, MEMRAY_REALLOC, 1, 2},
    {"mi_heap_strdup", Does::duplicate, MEMRAY_MALLOC},
    {"mi_heap_strndup", Does::duplicate, MEMRAY_MALLOC},
    {"mi_heap_realpath", Does::duplicate, MEMRAY_MALLOC, 2},
    {"mi_heap_alloc_new", Does::allocate, MEMRAY_MALLOC, kNone, 1},
    {"mi_heap_alloc_new_n", Does::allocate, MEMRAY_MALLOC, kNone, 2, 1},
    {"mi_mbsdup", Does::duplicate, MEMRAY_MALLOC},
    {"mi_expand", Does::resize, MEMRAY_REALLOC, 0, 1},
    {"mi_reallocarray", Does::resize, MEMRAY_REALLOC, 0, 2, 1},
    {"mi_reallocarr", Does::resize_at, MEMRAY_REALLOC, 0, 2, 1},
    {"mi_aligned_recalloc", Does::resize, MEMRAY_REALLOC, 0, 2, 1},
    {"mi_aligned_offset_recalloc", Does::resize, MEMRAY_REALLOC, 0, 2, 1},
    {"mi_memalign", Does::allocate, MEMRAY_MEMALIGN, kNone, 1},
    {"mi_posix_memalign", Does::allocate_into, MEMRAY_POSIX_MEMALIGN, 0, 2},
    {"mi_aligned_alloc", Does::allocate, MEMRAY_ALIGNED_ALLOC, kNone, 1},
    {"mi_valloc", Does::allocate, MEMRAY_VALLOC, kNone, 0},
    {"mi_pvalloc", Does::allocate, MEMRAY_PVALLOC, kNone, 0},
    {"mi_new", Does::allocate, MEMRAY_MALLOC, kNone, 0},
    {"mi_new_nothrow", Does::allocate, MEMRAY_MALLOC, kNone, 0},
    {"mi_new_aligned", Does::allocate, MEMRAY_MALLOC, kNone, 0},
    {"mi_new_aligned_nothrow", Does::allocate, MEMRAY_MALLOC, kNone, 0},
    {"mi_new_n", Does::allocate, MEMRAY_MALLOC, kNone, 1, 0},
    {"mi_new_realloc", Does::resize, MEMRAY_REALLOC, 0, 1},
    {"mi_new_reallocn", Does::resize, MEMRAY_REALLOC, 0, 2, 1},
    {"mi_free", Does::release, MEMRAY_FREE, 0},
    {"mi_free_size", Does::release, MEMRAY_FREE, 0},
    {"mi_free_aligned", Does::release, MEMRAY_FREE, 0},
    {"mi_free_size_aligned", Does::release, MEMRAY_FREE, 0},
    {"mi_cfree", Does::release, MEMRAY_FREE, 0},
    {"mi_heap_destroy", Does::release_all, MEMRAY_FREE, 0},
};
// clang-format on

void* real_functions[std::size(kEntries)] = {};

using Visitor = bool(const void* heap, const void* area, void* block, std::size_t size, void* frame);

// An area is announced before its blocks, as a block that is NULL.
bool tell_freed(const void*, const void*, void* block, std::size_t, void* frame) {
  if (block) state.recorder->deallocating(MEMRAY_FREE, word(block), frame);
  return true;
}

}  // namespace

void release_all(std::uintptr_t heap, void* frame) {
  using Visit = bool(std::uintptr_t heap, bool blocks_too, Visitor*, void*);
  const auto visit = reinterpret_cast<Visit*>(elf::find_from(elf::first_object(), "mi_heap_visit_blocks").address);
  if (visit) visit(heap, true, tell_freed, frame);
}

}  // namespace memray::hooks

MEMRAY_HOOKS((memray::hooks::EntryPoints<memray::hooks::kEntries, memray::hooks::real_functions>::kHooks), "mimalloc",
             "mimalloc's own functions: mi_malloc, mi_free, mi_heap_*, ...", "0.1.0");
