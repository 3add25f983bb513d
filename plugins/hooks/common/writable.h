// Writing to words that may lie on read-only pages.
//
// After relocation the dynamic linker makes the words that hold addresses of functions read-only (RELRO). A page is
// made writable only while words on it are written, and then gets back the protection that the kernel says it had.
#pragma once

#include "page_vector.h"

#include <cstddef>
#include <cstdint>

#pragma GCC visibility push(hidden)

namespace memray::hooks {

class Writer {
 public:
  Writer() = default;
  ~Writer() {
    close();
    ranges_.release();
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // False if the page cannot be written. Words close to each other should be written one after the other.
  bool write(void** word, void* value);

 private:
  struct Range {
    std::uintptr_t start, end;
    int protection;
  };

  bool open(std::uintptr_t page);
  void close();
  void read_ranges();
  int protection_of(std::uintptr_t page);

  PageVector<Range> ranges_;  // of the process when the first word was written
  std::size_t page_size_ = 0;
  std::uintptr_t page_ = 0;  // the one that is open
  int protection_ = 0;       // which it had
};

}  // namespace memray::hooks

#pragma GCC visibility pop
