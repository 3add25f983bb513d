// The small types that the rest of the public headers share: identifiers, units and the allocator kinds.
#pragma once

#include <memray/allocator.h>

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace memray {

// Numbers into the tables of Definitions. Distinct types, so that a stack cannot be passed for a frame.
enum class StringId : std::uint32_t {};
enum class FrameId : std::uint32_t {};
enum class StackId : std::uint32_t {};  // a node of the stack tree; kNoStack is its root
enum class SiteId : std::uint32_t {};
enum class ThreadId : std::uint32_t {};  // unique in the capture, over all its processes
enum class ProcessId : std::uint32_t {};
enum class ModuleId : std::uint32_t {};

inline constexpr StringId kNoString{0};  // the empty string
inline constexpr StackId kNoStack{0};    // the empty stack
inline constexpr ThreadId kMergedThreads{0xffff'ffff};
inline constexpr ModuleId kNoModule{0xffff'ffff};

template <typename Id>
constexpr std::uint32_t index(Id id) {
  return static_cast<std::uint32_t>(id);
}

// Nanoseconds since the recording began.
enum class Time : std::int64_t {};
constexpr std::int64_t nanoseconds(Time t) { return static_cast<std::int64_t>(t); }

enum class Allocator : std::uint8_t {
  none = 0,
  malloc = MEMRAY_MALLOC,
  free = MEMRAY_FREE,
  calloc = MEMRAY_CALLOC,
  realloc = MEMRAY_REALLOC,
  posix_memalign = MEMRAY_POSIX_MEMALIGN,
  aligned_alloc = MEMRAY_ALIGNED_ALLOC,
  memalign = MEMRAY_MEMALIGN,
  valloc = MEMRAY_VALLOC,
  pvalloc = MEMRAY_PVALLOC,
  mmap = MEMRAY_MMAP,
  munmap = MEMRAY_MUNMAP,
  pymalloc_malloc = MEMRAY_PYMALLOC_MALLOC,
  pymalloc_calloc = MEMRAY_PYMALLOC_CALLOC,
  pymalloc_realloc = MEMRAY_PYMALLOC_REALLOC,
  pymalloc_free = MEMRAY_PYMALLOC_FREE,
};

constexpr bool is_deallocator(Allocator a) {
  return a == Allocator::free || a == Allocator::munmap || a == Allocator::pymalloc_free;
}

// "malloc", "posix_memalign", ...; "unknown" for a number that is none of the above.
std::string_view name(Allocator allocator);

// The call that undoes what `allocator` did: free, munmap or pymalloc_free.
Allocator deallocator_of(Allocator allocator);

// Success, or what went wrong in one line. Used wherever an error crosses a plugin boundary.
class [[nodiscard]] Status {
 public:
  Status() = default;
  static Status error(std::string message) {
    Status s;
    s.message_ = std::move(message);
    s.ok_ = false;
    return s;
  }
  bool ok() const { return ok_; }
  explicit operator bool() const { return ok_; }
  const std::string& message() const { return message_; }

 private:
  std::string message_;
  bool ok_ = true;
};

}  // namespace memray
