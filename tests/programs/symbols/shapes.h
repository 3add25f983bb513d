#pragma once

#include <stdlib.h>

namespace shapes {

__attribute__((always_inline)) inline void* level_four(size_t size) { return malloc(size); }

__attribute__((always_inline)) inline void* level_three(size_t size) {
  void* block = level_four(size);
  return block;
}

__attribute__((always_inline)) inline void* level_two(size_t size) {
  if (size == 0) return nullptr;
  return level_three(size);
}

__attribute__((always_inline)) inline void* level_one(size_t size) { return level_two(size); }

}  // namespace shapes
