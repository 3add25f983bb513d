#include <memray/mapping.h>
#include <memray/types.h>

namespace memray {

std::string_view name(Allocator allocator) {
  if (allocator == kMmapFile) return "mmap_file";
  if (allocator == kMmapFixed) return "mmap_fixed";
  if (allocator == kMmapFileFixed) return "mmap_file_fixed";
  if (allocator == kMremap) return "mremap";
  switch (allocator) {
    case Allocator::none:
      break;
    case Allocator::malloc:
      return "malloc";
    case Allocator::free:
      return "free";
    case Allocator::calloc:
      return "calloc";
    case Allocator::realloc:
      return "realloc";
    case Allocator::posix_memalign:
      return "posix_memalign";
    case Allocator::aligned_alloc:
      return "aligned_alloc";
    case Allocator::memalign:
      return "memalign";
    case Allocator::valloc:
      return "valloc";
    case Allocator::pvalloc:
      return "pvalloc";
    case Allocator::mmap:
      return "mmap";
    case Allocator::munmap:
      return "munmap";
    case Allocator::pymalloc_malloc:
      return "pymalloc_malloc";
    case Allocator::pymalloc_calloc:
      return "pymalloc_calloc";
    case Allocator::pymalloc_realloc:
      return "pymalloc_realloc";
    case Allocator::pymalloc_free:
      return "pymalloc_free";
  }
  return "unknown";
}

Allocator deallocator_of(Allocator allocator) {
  switch (without_kind(allocator)) {
    case Allocator::mmap:
    case Allocator::munmap:
      return Allocator::munmap;
    case Allocator::pymalloc_malloc:
    case Allocator::pymalloc_calloc:
    case Allocator::pymalloc_realloc:
    case Allocator::pymalloc_free:
      return Allocator::pymalloc_free;
    default:
      return Allocator::free;
  }
}

}  // namespace memray
