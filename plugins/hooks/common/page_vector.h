// A growing array straight from the kernel. Elements are plain data; memory that cannot be had is reported, not thrown.
// It has no destructor, which for a static array would run while other threads still call us: who owns one releases it.
#pragma once

#include "syscalls.h"

#include <cstddef>
#include <type_traits>
#include <utility>

namespace memray::hooks {

template <typename T>
class PageVector {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  PageVector() = default;
  PageVector(const PageVector&) = delete;
  PageVector& operator=(const PageVector&) = delete;

  T* begin() { return data_; }
  T* end() { return data_ + size_; }
  T* data() { return data_; }
  std::size_t size() const { return size_; }
  T& operator[](std::size_t i) { return data_[i]; }

  bool push(const T& value) {
    if (!reserve(size_ + 1)) return false;
    data_[size_++] = value;
    return true;
  }

  bool reserve(std::size_t count) {
    if (count * sizeof(T) <= bytes_) return true;
    std::size_t bytes = bytes_ == 0 ? 16384 : 2 * bytes_;
    while (bytes < count * sizeof(T)) bytes *= 2;
    void* data = data_ ? sys::remap(data_, bytes_, bytes) : sys::map(bytes);
    if (!data) return false;
    data_ = static_cast<T*>(data);
    bytes_ = bytes;
    return true;
  }

  std::size_t capacity() const { return bytes_ / sizeof(T); }
  void set_size(std::size_t size) { size_ = size; }
  void clear() { size_ = 0; }

  void swap(PageVector& other) {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(bytes_, other.bytes_);
  }

  void release() {
    if (data_) sys::unmap(data_, bytes_);
    data_ = nullptr;
    size_ = bytes_ = 0;
  }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace memray::hooks
