// What is read of a code object never changes after its creation, and the caller's frame keeps it alive: no lock and no
// GIL is needed. Every object is asked for its type before it is believed to be what it should be; that costs nothing
// here (a code object is read once) and turns a wrong offset into a missing name rather than a crash.
//
// The line table goes to the collector as it is. To go with it, the offset in a frame word counts bytes from the start
// of the bytecode, on all versions:
//   3.9         f_lasti, the last instruction begun                                     co_lnotab
//   3.10        the same, but counted in two-byte units: doubled                        co_linetable, PEP 626
//   3.11, 3.12  prev_instr: the instruction, or the last inline cache of its call       co_linetable, location table
//   3.13 to 3.15  instr_ptr: the instruction                                            co_linetable, location table
// A call's caches belong to its entry of the table, so all of these give the line of the call itself.
#include "code.h"

#include "frame.h"

namespace memray::python {

namespace {

std::size_t encode(std::uint32_t c, char* to) {
  if (c >= 0xd800 && c < 0xe000) c = 0xfffd;  // lone surrogates: bytes of a file name that are no UTF-8
  if (c < 0x80) {
    to[0] = static_cast<char>(c);
    return 1;
  }
  const std::size_t size = c < 0x800 ? 2 : c < 0x1'0000 ? 3 : 4;
  for (std::size_t i = size - 1; i != 0; --i, c >>= 6) to[i] = static_cast<char>(0x80 | (c & 0x3f));
  to[0] = static_cast<char>((0xf00u >> size & 0xff) | c);
  return size;
}

template <typename Unit>
Text to_utf8(std::uintptr_t units, std::uint64_t length, TextBuffer& buffer) {
  std::size_t used = 0;
  for (std::uint64_t i = 0; i < length && used + 4 <= buffer.size; ++i) {
    used += encode(load<Unit>(units + i * sizeof(Unit)), buffer.bytes + used);
  }
  const Text text{buffer.bytes, static_cast<std::uint32_t>(used)};
  buffer.bytes += used;
  buffer.size -= used;
  return text;
}

bool is_a(const Layout& layout, std::uintptr_t object, const Symbol& type) {
  return object != 0 && load<std::uintptr_t>(object + layout.object_type) == type.address;
}

}  // namespace

Text read_text(const Runtime& runtime, std::uintptr_t text, TextBuffer& buffer) {
  const Layout& layout = runtime.layout;
  if (!is_a(layout, text, runtime.text_type)) return {};
  const auto length = load<std::uint64_t>(text + layout.text_length);
  const std::uint32_t state = load<std::uint32_t>(text + layout.text_state) >> layout.text_state_shift;
  const std::uint32_t kind = state & 7;
  const bool compact = state & 8;
  const bool ascii = state & 16;
  constexpr std::uint64_t kLongest = 1 << 20;
  if (!compact || length > kLongest) return {};
  if (ascii) {
    return {reinterpret_cast<const char*>(text + layout.text_ascii_data), static_cast<std::uint32_t>(length)};
  }
  const std::uintptr_t units = text + layout.text_wide_data;
  switch (kind) {
    case 1:
      return to_utf8<std::uint8_t>(units, length, buffer);
    case 2:
      return to_utf8<std::uint16_t>(units, length, buffer);
    case 4:
      return to_utf8<std::uint32_t>(units, length, buffer);
    default:
      return {};
  }
}

namespace {

memray_line_table line_table_kind(MinorVersion version) {
  return version == 0x0309 ? MEMRAY_LINES_LNOTAB : version == 0x030a ? MEMRAY_LINES_PEP626 : MEMRAY_LINES_LOCATIONS;
}

void read_line_table(const Runtime& runtime, std::uintptr_t table, memray_code& description) {
  const Layout& layout = runtime.layout;
  description.line_table_kind = MEMRAY_LINES_NONE;
  if (!is_a(layout, table, runtime.bytes_type)) return;
  const auto size = load<std::uint64_t>(table + layout.bytes_size);
  constexpr std::uint64_t kLargest = 1 << 24;
  if (size > kLargest) return;
  description.line_table_kind = line_table_kind(layout.version);
  description.line_table = reinterpret_cast<const std::uint8_t*>(table + layout.bytes_data);
  description.line_table_size = static_cast<std::uint32_t>(size);
}

}  // namespace

bool read_code(const Runtime& runtime, std::uintptr_t code, TextBuffer buffer, memray_code& description) {
  const Layout& layout = runtime.layout;
  if (!is_a(layout, code, runtime.code_type)) return false;
  description = {};
  const Text file = read_text(runtime, load<std::uintptr_t>(code + layout.file), buffer);
  description.file = file.bytes;
  description.file_size = file.size;
  const Text name = read_text(runtime, load<std::uintptr_t>(code + layout.name), buffer);
  description.name = name.bytes;
  description.name_size = name.size;
  if (layout.qualified_name != 0) {
    const Text qualified = read_text(runtime, load<std::uintptr_t>(code + layout.qualified_name), buffer);
    description.qualified_name = qualified.bytes;
    description.qualified_name_size = qualified.size;
  }
  description.first_line = load<std::uint32_t>(code + layout.first_line);
  read_line_table(runtime, load<std::uintptr_t>(code + layout.line_table), description);
  return true;
}

}  // namespace memray::python
