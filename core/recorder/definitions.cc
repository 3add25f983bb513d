// Definitions: what is told once (code objects, facts for the metadata, warnings) goes to a chunk chain of the process,
// in parts that fit. This is the one place with a lock. It is held for a copy of a few hundred bytes, only when
// something is seen for the first time, and never by a thread that could be interrupted by an event of its own: the
// thread is busy.
#include "thread.h"

namespace memray::recorder {

namespace {

std::atomic<std::uint32_t> lock{0};
Thread stream;  // of number 0

struct Field {
  const void* bytes;
  std::uint32_t size;
};

// Appends the fields' bytes as one definition, in parts.
class PartWriter {
 public:
  explicit PartWriter(std::uint64_t left) : left_(left) {}

  bool append(const void* bytes, std::uint64_t size) {
    const auto* from = static_cast<const unsigned char*>(bytes);
    while (size != 0) {
      if (room_ == 0 && !begin_part()) return false;
      const std::uint64_t n = size < room_ ? size : room_;
      for (std::uint64_t i = 0; i < n; ++i) to_[i] = from[i];
      to_ += n;
      from += n;
      size -= n;
      room_ -= n;
      if (room_ == 0) commit(&stream);
    }
    return true;
  }

 private:
  bool begin_part() {
    if (!reserve(&stream, 2)) return false;
    const auto words = static_cast<std::uint64_t>(stream.end - stream.cursor) - 1;
    room_ = left_ < words * 8 ? left_ : words * 8;
    left_ -= room_;
    const std::uint64_t last = left_ == 0;
    *stream.cursor++ = session::kDefinition | last << 8 | room_ << 16;
    to_ = reinterpret_cast<unsigned char*>(stream.cursor);
    stream.cursor += (room_ + 7) / 8;
    stream.cursor[-1] = 0;  // replaced below, but for the padding
    return true;
  }

  std::uint64_t left_;
  std::uint64_t room_ = 0;
  unsigned char* to_ = nullptr;
};

bool define(session::Definition kind, const Field* fields, std::uint32_t count) {
  if (!process.session) return false;
  std::uint64_t total = sizeof(std::uint64_t);
  for (std::uint32_t i = 0; i < count; ++i) total += fields[i].size;
  while (lock.exchange(1, std::memory_order_acquire) != 0) sys::yield();
  PartWriter writer(total);
  const auto tag = static_cast<std::uint64_t>(kind);
  bool ok = writer.append(&tag, sizeof tag);
  for (std::uint32_t i = 0; ok && i < count; ++i) ok = writer.append(fields[i].bytes, fields[i].size);
  lock.store(0, std::memory_order_release);
  return ok;
}

std::uint32_t length(const char* s) {
  std::uint32_t n = 0;
  while (s[n] != '\0') ++n;
  return n;
}

}  // namespace

// Fields: seven 32-bit numbers (number, first line, line table kind, sizes of name, qualified name, file, line table),
// then the four byte strings in that order.
int define_code(const memray_code* code) {
  const std::uint32_t numbers[] = {code->number,
                                   code->first_line,
                                   static_cast<std::uint32_t>(code->line_table_kind),
                                   code->name_size,
                                   code->qualified_name ? code->qualified_name_size : 0,
                                   code->file_size,
                                   code->line_table_size};
  const Field fields[] = {{numbers, sizeof numbers},
                          {code->name, code->name_size},
                          {code->qualified_name, numbers[4]},
                          {code->file, code->file_size},
                          {code->line_table, code->line_table_size}};
  return define(session::Definition::code, fields, 5);
}

// Fields: the list as modules.cc makes it, all numbers of 64 bits: stamp; sizes (32 bits each) of the program's path
// and of the working directory; these two. Then for each executable segment: start, end, file offset, sizes (32 bits
// each) of build-id and name; these two. The name is the loader's: "" for the program, or relative to the directory.
bool define_modules(const void* list, std::uint32_t size) {
  const Field field{list, size};
  return define(session::Definition::modules, &field, 1);
}

void define_thread_name(const session::ThreadName& whose, const char* name, std::uint32_t size) {
  const Field fields[] = {{&whose, sizeof whose}, {name, size}};
  define(session::Definition::thread, fields, 2);
}

int define_type(std::uint32_t number, const char* name, std::size_t size) {
  constexpr std::size_t kLongest = 1024;
  const Field fields[] = {{&number, sizeof number},
                          {name, static_cast<std::uint32_t>(size < kLongest ? size : kLongest)}};
  return define(session::Definition::type, fields, 2);
}

// In a forked child, whose parent has the chunk and may have held the lock; or when a session begins.
void reset_definitions() {
  stream.chunk = nullptr;
  stream.cursor = stream.end = nullptr;
  stream.sequence = 0;
  lock.store(0, std::memory_order_release);
}

void describe(const char* key, const char* value) {
  const Field fields[] = {{key, length(key) + 1}, {value, length(value)}};
  define(session::Definition::metadata, fields, 2);
}

void warn(const char* text) {
  const Field fields[] = {{text, length(text)}};
  define(session::Definition::warning, fields, 1);
}

}  // namespace memray::recorder
