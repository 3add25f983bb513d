/* The calls that memray records, as numbered in captures and in the Python API. */
#ifndef MEMRAY_ALLOCATOR_H
#define MEMRAY_ALLOCATOR_H

#ifdef __cplusplus
extern "C" {
#endif

enum memray_allocator {
  MEMRAY_MALLOC = 1,
  MEMRAY_FREE = 2,
  MEMRAY_CALLOC = 3,
  MEMRAY_REALLOC = 4,
  MEMRAY_POSIX_MEMALIGN = 5,
  MEMRAY_ALIGNED_ALLOC = 6,
  MEMRAY_MEMALIGN = 7,
  MEMRAY_VALLOC = 8,
  MEMRAY_PVALLOC = 9,
  MEMRAY_MMAP = 10,
  MEMRAY_MUNMAP = 11,
  MEMRAY_PYMALLOC_MALLOC = 12,
  MEMRAY_PYMALLOC_CALLOC = 13,
  MEMRAY_PYMALLOC_REALLOC = 14,
  MEMRAY_PYMALLOC_FREE = 15,
};

#ifdef __cplusplus
}
#endif

#endif
