// The `jemalloc` hook backend: what jemalloc offers besides malloc and its family, and the whole family where jemalloc
// was built with a prefix (`je_`; `_rjem_` in Rust programs).
#include "entry_points.h"

namespace memray::hooks {

namespace {

// clang-format off
constexpr EntryPoint kEntries[] = {
    {"mallocx", Does::allocate, MEMRAY_MALLOC, kNone, 0},
    {"rallocx", Does::resize, MEMRAY_REALLOC, 0, 1},
    {"xallocx", Does::resize_in_place, MEMRAY_REALLOC, 0, 1},
    {"sdallocx", Does::release, MEMRAY_FREE, 0},
    {"dallocx", Does::release, MEMRAY_FREE, 0},
    {"je_malloc", Does::allocate, MEMRAY_MALLOC, kNone, 0},
    {"je_calloc", Does::allocate, MEMRAY_CALLOC, kNone, 1, 0},
    {"je_realloc", Does::resize, MEMRAY_REALLOC, 0, 1},
    {"je_free", Does::release, MEMRAY_FREE, 0},
    {"je_posix_memalign", Does::allocate_into, MEMRAY_POSIX_MEMALIGN, 0, 2},
    {"je_aligned_alloc", Does::allocate, MEMRAY_ALIGNED_ALLOC, kNone, 1},
    {"je_memalign", Does::allocate, MEMRAY_MEMALIGN, kNone, 1},
    {"je_valloc", Does::allocate, MEMRAY_VALLOC, kNone, 0},
    {"je_pvalloc", Does::allocate, MEMRAY_PVALLOC, kNone, 0},
    {"je_mallocx", Does::allocate, MEMRAY_MALLOC, kNone, 0},
    {"je_rallocx", Does::resize, MEMRAY_REALLOC, 0, 1},
    {"je_xallocx", Does::resize_in_place, MEMRAY_REALLOC, 0, 1},
    {"je_sdallocx", Does::release, MEMRAY_FREE, 0},
    {"je_dallocx", Does::release, MEMRAY_FREE, 0},
    {"_rjem_malloc", Does::allocate, MEMRAY_MALLOC, kNone, 0},
    {"_rjem_calloc", Does::allocate, MEMRAY_CALLOC, kNone, 1, 0},
    {"_rjem_realloc", Does::resize, MEMRAY_REALLOC, 0, 1},
    {"_rjem_free", Does::release, MEMRAY_FREE, 0},
    {"_rjem_posix_memalign", Does::allocate_into, MEMRAY_POSIX_MEMALIGN, 0, 2},
    {"_rjem_aligned_alloc", Does::allocate, MEMRAY_ALIGNED_ALLOC, kNone, 1},
    {"_rjem_memalign", Does::allocate, MEMRAY_MEMALIGN, kNone, 1},
    {"_rjem_valloc", Does::allocate, MEMRAY_VALLOC, kNone, 0},
    {"_rjem_pvalloc", Does::allocate, MEMRAY_PVALLOC, kNone, 0},
    {"_rjem_mallocx", Does::allocate, MEMRAY_MALLOC, kNone, 0},
    {"_rjem_rallocx", Does::resize, MEMRAY_REALLOC, 0, 1},
    {"_rjem_xallocx", Does::resize_in_place, MEMRAY_REALLOC, 0, 1},
    {"_rjem_sdallocx", Does::release, MEMRAY_FREE, 0},
    {"_rjem_dallocx", Does::release, MEMRAY_FREE, 0},
};
// clang-format on

void* real_functions[std::size(kEntries)] = {};

}  // namespace

}  // namespace memray::hooks

MEMRAY_HOOKS((memray::hooks::EntryPoints<memray::hooks::kEntries, memray::hooks::real_functions>::kHooks), "jemalloc",
             "jemalloc's own functions: mallocx, rallocx, sdallocx, je_*, ...", "0.1.0");
