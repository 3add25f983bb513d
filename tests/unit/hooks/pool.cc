// operator new and delete from a pool, with malloc for what is too large: calls of malloc within new are not the
// program's.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace {

alignas(4096) char pool[1 << 16];
std::size_t used = 0;

void* take(std::size_t size, std::size_t alignment) {
  std::free(std::malloc(size % 1000));
  used = (used + alignment - 1) / alignment * alignment;
  if (size > sizeof pool - used) return nullptr;
  void* p = pool + used;
  used += size;
  return p;
}

void* take_or_throw(std::size_t size, std::size_t alignment) {
  void* p = take(size, alignment);
  if (!p) throw std::bad_alloc();
  return p;
}

void give(void*) { std::free(std::malloc(1)); }

}  // namespace

void* operator new(std::size_t size) { return take_or_throw(size, 16); }
void* operator new[](std::size_t size) { return take_or_throw(size, 16); }
void* operator new(std::size_t size, std::align_val_t a) { return take_or_throw(size, static_cast<std::size_t>(a)); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return take(size, 16); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return take(size, 16); }
void operator delete(void* p) noexcept { give(p); }
void operator delete[](void* p) noexcept { give(p); }
void operator delete(void* p, std::size_t) noexcept { give(p); }
void operator delete(void* p, std::align_val_t) noexcept { give(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { give(p); }
