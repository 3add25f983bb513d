// Kinds of mappings, told apart by further numbers of Allocator. The Python API, whose numbers are fixed, knows all of
// them as mmap; captures and reports have the kind.
#pragma once

#include <memray/types.h>

namespace memray {

inline constexpr Allocator kMmapFile{16};       // of a file; Allocator::mmap is anonymous
inline constexpr Allocator kMmapFixed{17};      // anonymous, MAP_FIXED: replaces what was there
inline constexpr Allocator kMmapFileFixed{18};  // of a file, MAP_FIXED
inline constexpr Allocator kMremap{19};         // what mremap has returned, whatever it is of
inline constexpr Allocator kLastAllocator = kMremap;

constexpr bool is_mapping(Allocator a) { return a == Allocator::mmap || (a >= kMmapFile && a <= kMremap); }

// mmap for every kind of mapping.
constexpr Allocator without_kind(Allocator a) { return is_mapping(a) ? Allocator::mmap : a; }

}  // namespace memray
