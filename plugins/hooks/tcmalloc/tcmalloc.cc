// The `tcmalloc` hook backend: gperftools' tc_* functions, among them what operator new and delete are made of.
#include "entry_points.h"

namespace memray::hooks {

namespace {

// clang-format off
constexpr EntryPoint kEntries[] = {
    {"tc_malloc", Does::allocate, MEMRAY_MALLOC, kNone, 0},
    {"tc_malloc_skip_new_handler", Does::allocate, MEMRAY_MALLOC, kNone, 0},
    {"tc_calloc", Does::allocate, MEMRAY_CALLOC, kNone, 1, 0},
    {"tc_realloc", Does::resize, MEMRAY_REALLOC, 0, 1},
    {"tc_free", Does::release, MEMRAY_FREE, 0},
    {"tc_free_sized", Does::release, MEMRAY_FREE, 0},
    {"tc_cfree", Does::release, MEMRAY_FREE, 0},
    {"tc_memalign", Does::allocate, MEMRAY_MEMALIGN, kNone, 1},
    {"tc_posix_memalign", Does::allocate_into, MEMRAY_POSIX_MEMALIGN, 0, 2},
    {"tc_valloc", Does::allocate, MEMRAY_VALLOC, kNone, 0},
    {"tc_pvalloc", Does::allocate, MEMRAY_PVALLOC, kNone, 0},
    {"tc_new", Does::allocate, MEMRAY_MALLOC, kNone, 0},
    {"tc_new_nothrow", Does::allocate, MEMRAY_MALLOC, kNone, 0},
    {"tc_new_aligned", Does::allocate, MEMRAY_MALLOC, kNone, 0},
    {"tc_new_aligned_nothrow", Does::allocate, MEMRAY_MALLOC, kNone, 0},
    {"tc_newarray", Does::allocate, MEMRAY_MALLOC, kNone, 0},
    {"tc_newarray_nothrow", Does::allocate, MEMRAY_MALLOC, kNone, 0},
    {"tc_newarray_aligned", Does::allocate, MEMRAY_MALLOC, kNone, 0},
    {"tc_newarray_aligned_nothrow", Does::allocate, MEMRAY_MALLOC, kNone, 0},
    {"tc_delete", Does::release, MEMRAY_FREE, 0},
    {"tc_delete_nothrow", Does::release, MEMRAY_FREE, 0},
    {"tc_delete_sized", Does::release, MEMRAY_FREE, 0},
    {"tc_delete_aligned", Does::release, MEMRAY_FREE, 0},
    {"tc_delete_aligned_nothrow", Does::release, MEMRAY_FREE, 0},
    {"tc_delete_sized_aligned", Does::release, MEMRAY_FREE, 0},
    {"tc_deletearray", Does::release, MEMRAY_FREE, 0},
    {"tc_deletearray_nothrow", Does::release, MEMRAY_FREE, 0},
    {"tc_deletearray_sized", Does::release, MEMRAY_FREE, 0},
    {"tc_deletearray_aligned", Does::release, MEMRAY_FREE, 0},
    {"tc_deletearray_aligned_nothrow", Does::release, MEMRAY_FREE, 0},
    {"tc_deletearray_sized_aligned", Does::release, MEMRAY_FREE, 0},
};
// clang-format on

void* real_functions[std::size(kEntries)] = {};

}  // namespace

}  // namespace memray::hooks

MEMRAY_HOOKS((memray::hooks::EntryPoints<memray::hooks::kEntries, memray::hooks::real_functions>::kHooks), "tcmalloc",
             "tcmalloc's own functions: tc_malloc, tc_new, tc_delete, ...", "0.1.0");
