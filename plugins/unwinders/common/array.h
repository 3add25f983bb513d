// An array in memory straight from the kernel, for states that begin as zeroes.
#pragma once

#include <memray/unwinder.h>

#include <cstddef>
#include <cstdint>

namespace memray {

template <typename T>
struct Array {
  T* data;
  std::uint32_t capacity;

  T& operator[](std::uint32_t i) { return data[i]; }
  const T& operator[](std::uint32_t i) const { return data[i]; }

  // Room for `wanted` elements, more than there is room for; what there is is kept. False: out of memory.
  bool grow(const memray_unwinder_host& host, std::uint32_t wanted) {
    constexpr std::uint32_t kLargest = 1u << 24;
    if (wanted > kLargest) return false;
    std::size_t bytes = 4096;
    while (bytes / sizeof(T) < wanted) bytes *= 2;
    T* larger = static_cast<T*>(host.map(bytes));
    if (!larger) return false;
    for (std::uint32_t i = 0; i < capacity; ++i) larger[i] = data[i];
    release(host);
    data = larger;
    mapped_bytes = bytes;
    capacity = static_cast<std::uint32_t>(bytes / sizeof(T));
    return true;
  }

  void release(const memray_unwinder_host& host) {
    if (data) host.unmap(data, mapped_bytes);
    data = nullptr;
    capacity = 0;
  }

  std::size_t mapped_bytes;
};

}  // namespace memray
