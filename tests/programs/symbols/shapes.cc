// Allocations behind everything that makes a name hard to find: inlining several levels deep, namespaces, functions
// local to the file, lambdas, templates, a long way through another file.
#include <stdlib.h>
#include <unistd.h>

#include "shapes.h"

#define KEPT __attribute__((noinline, used))

extern "C" void* from_c(size_t size);

void* volatile kept;

namespace outer {
namespace {

KEPT void* local_function(size_t size) {
  void* block = malloc(size);
  kept = block;
  return block;
}

}  // namespace

struct Buffer {
  KEPT void fill(size_t size) {
    kept = shapes::level_one(size);
    kept = nullptr;
  }
  void* data = nullptr;
};

template <typename T>
KEPT T* make(size_t count) {
  auto* made = static_cast<T*>(calloc(count, sizeof(T)));
  kept = made;
  return made;
}

KEPT static void with_lambda(size_t size) {
  const auto allocate = [size](int times) KEPT {
    for (int i = 0; i < times; ++i) kept = malloc(size + static_cast<size_t>(i));
  };
  allocate(3);
  kept = nullptr;
}

}  // namespace outer

extern "C" KEPT int exported_entry() {
  kept = outer::local_function(1001);
  outer::Buffer().fill(1002);
  kept = outer::make<long>(126);
  outer::with_lambda(1004);
  kept = from_c(2005);
  kept = nullptr;
  return 0;
}

int main(int, char** argv) {
  if (argv[1] && unlink(argv[0]) != 0) return 1;
  const int result = exported_entry();
  kept = nullptr;
  return result;
}
