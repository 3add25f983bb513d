// Reading a code object.
#pragma once

#include "runtime.h"

#include <cstddef>
#include <cstdint>

namespace memray::python {

// Where strings that are not ASCII are turned into UTF-8.
struct TextBuffer {
  char* bytes;
  std::size_t size;
};

struct Text {
  const char* bytes = "?";
  std::uint32_t size = 1;
};

// The characters of the str object at `text`; of other things and of instances of subclasses "?".
Text read_text(const Runtime& runtime, std::uintptr_t text, TextBuffer& buffer);

// Fills in everything but the number. Strings and line table are those of the code object where possible, else in
// `buffer`, cut off when it is full. False if there is no code object at `code`.
bool read_code(const Runtime& runtime, std::uintptr_t code, TextBuffer buffer, memray_code& description);

}  // namespace memray::python
