// A C++ program with operator new and delete of its own.
//   own_new PLUGIN: linked with pool.so, whose operators do not use malloc, or the program's own, which do
//   (OWN_MALLOC).
#include "recorder.h"

#include <cstddef>
#include <cstdint>
#include <new>

#ifdef OWN_MALLOC
// A block's size is kept in front of it: what malloc sees is 16 bytes more.
void* operator new(std::size_t size) {
  auto* p = static_cast<std::size_t*>(std::malloc(size + 16));
  if (!p) throw std::bad_alloc();
  *p = size;
  return p + 2;
}
void operator delete(void* p) noexcept {
  if (p) std::free(static_cast<std::size_t*>(p) - 2);
}
void operator delete(void* p, std::size_t) noexcept { operator delete(p); }
constexpr std::size_t kHeader = 16;
#else
constexpr std::size_t kHeader = 0;
#endif

struct alignas(128) Wide {
  char bytes[128];
};

int main(int, char** argv) {
  recorder_start(argv[1]);
  auto* one = static_cast<int*>(keep(new int(1)));
  CHECK(seen_count == 1 && seen[0].kind == SEEN_ALLOCATED && seen[0].allocator == MEMRAY_MALLOC);
  CHECK(seen[0].size == sizeof(int) + kHeader && seen[0].address + kHeader == reinterpret_cast<std::uintptr_t>(one));
  delete one;
  CHECK(seen_count == 2 && seen[1].kind == SEEN_FREED && seen[1].address == seen[0].address);

#ifndef OWN_MALLOC
  auto* many = static_cast<char*>(keep(new char[100]));
  CHECK(seen_count == 3 && seen[2].size == 100 && seen[2].address == reinterpret_cast<std::uintptr_t>(many));
  delete[] many;
  CHECK(seen_count == 4);
  auto* wide = static_cast<Wide*>(keep(new Wide));
  CHECK(seen_count == 5 && seen[4].size == 128 && seen[4].address == reinterpret_cast<std::uintptr_t>(wide));
  CHECK(seen[4].address % 128 == 0);
  delete wide;
  CHECK(seen_count == 6);
  CHECK(!keep(new (std::nothrow) char[std::size_t{1} << 40]));
  CHECK(seen_count == 6);

  // operator new throws through the hook, which must not go on thinking that it is in a call.
  bool caught = false;
  recorder_set_recording(1);
  const std::uint32_t before = seen_count;
  try {
    keep(::operator new (std::size_t{1} << 40));
  } catch (const std::bad_alloc&) {
    caught = true;
  }
  CHECK(caught);
  const std::uint32_t after = seen_count;
  std::free(keep(std::malloc(12)));
  CHECK(seen_count == after + 2 && after - before <= 4);
#endif
  return 0;
}
