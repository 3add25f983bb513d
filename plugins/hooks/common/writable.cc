#include "writable.h"

#include <sys/auxv.h>

#include <algorithm>

namespace memray::hooks {

namespace {

constexpr int kUnknown = -1;

// One line of /proc/self/maps: "start-end rwxp ...".
const char* hexadecimal(const char* text, std::uintptr_t& value) {
  for (value = 0;; ++text) {
    const char c = *text;
    if (c >= '0' && c <= '9') {
      value = value * 16 + static_cast<std::uintptr_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      value = value * 16 + static_cast<std::uintptr_t>(c - 'a' + 10);
    } else {
      return text;
    }
  }
}

}  // namespace

void Writer::read_ranges() {
  const int fd = sys::open_readable("/proc/self/maps");
  if (fd < 0) return;
  PageVector<char> text;
  long n = 1;
  while (n > 0 && text.reserve(text.size() + 8192)) {
    n = sys::read(fd, text.end(), text.capacity() - text.size() - 1);
    if (n > 0) text.set_size(text.size() + static_cast<std::size_t>(n));
  }
  sys::close(fd);
  if (text.size() == 0) return text.release();
  *text.end() = '\0';
  for (const char* line = text.data(); *line != '\0';) {
    Range range{};
    line = hexadecimal(line, range.start);
    line = hexadecimal(line + 1, range.end);
    if (line[1] == 'r') range.protection |= PROT_READ;
    if (line[2] == 'w') range.protection |= PROT_WRITE;
    if (line[3] == 'x') range.protection |= PROT_EXEC;
    ranges_.push(range);
    while (*line != '\0' && *line != '\n') ++line;
    if (*line == '\n') ++line;
  }
  text.release();
}

int Writer::protection_of(std::uintptr_t page) {
  const Range* after = std::upper_bound(ranges_.begin(), ranges_.end(), page,
                                        [](std::uintptr_t p, const Range& r) { return p < r.end; });
  return after != ranges_.end() && after->start <= page ? after->protection : kUnknown;
}

bool Writer::open(std::uintptr_t page) {
  if (page_size_ == 0) {
    page_size_ = getauxval(AT_PAGESZ);
    read_ranges();
  }
  page &= ~(page_size_ - 1);
  if (page == page_) return true;
  close();
  const int protection = protection_of(page);
  // Executable pages hold no words of ours, and what cannot be put back is not changed.
  if (protection == kUnknown || (protection & PROT_EXEC) != 0) return false;
  if ((protection & PROT_WRITE) == 0 && !sys::protect(page, page_size_, protection | PROT_WRITE)) return false;
  page_ = page;
  protection_ = protection;
  return true;
}

void Writer::close() {
  if (page_ != 0 && (protection_ & PROT_WRITE) == 0) sys::protect(page_, page_size_, protection_);
  page_ = 0;
}

bool Writer::write(void** word, void* value) {
  if (!open(reinterpret_cast<std::uintptr_t>(word))) return false;
  __atomic_store_n(word, value, __ATOMIC_RELEASE);
  return true;
}

}  // namespace memray::hooks
