// One plugin serves all versions of CPython and is built with the headers of none. Up to 3.12 the offsets are a table,
// taken from the headers with offsetof; within a minor version they do not change. From 3.13 on every interpreter
// carries them itself: `_PyRuntime` begins with a `_Py_DebugOffsets`, made for debuggers, an array of 64-bit numbers in
// sections. Sections have grown from version to version, so where each begins is again a small table.
#include "layout.h"

namespace memray::python {

namespace {

Layout with_frame_objects(MinorVersion version) {
  Layout layout;
  layout.version = version;
  layout.finalizing = 16;
  layout.thread_frame = 24;
  layout.thread_id = 176;
  layout.previous = 24;
  layout.executable = 32;
  layout.locals = version == 0x0309 ? 360 : 352;
  layout.instruction = version == 0x0309 ? 104 : 96;
  layout.instruction_mask = 0xffff'ffff;
  layout.instruction_kind = Instruction::index;
  layout.index_scale = version == 0x0309 ? 1 : 2;
  layout.name = 112;
  layout.file = 104;
  layout.first_line = 40;
  layout.line_table = 120;
  layout.text_ascii_data = 48;
  layout.text_wide_data = 72;
  return layout;
}

Layout of_3_11() {
  Layout layout;
  layout.version = 0x030b;
  layout.finalizing = 24;
  layout.thread_frame = 56;
  layout.thread_indirect = true;
  layout.thread_indirect_frame = 8;
  layout.thread_id = 152;
  layout.previous = 48;
  layout.executable = 32;
  layout.instruction = 56;
  layout.has_owner = true;
  layout.owner = 69;
  layout.has_entry_flag = true;
  layout.entry_flag = 68;
  layout.name = 120;
  layout.qualified_name = 128;
  layout.file = 112;
  layout.first_line = 72;
  layout.line_table = 136;
  layout.bytecode = 184;
  layout.first_traceable = 168;
  layout.text_ascii_data = 48;
  layout.text_wide_data = 72;
  return layout;
}

Layout of_3_12() {
  Layout layout;
  layout.version = 0x030c;
  layout.finalizing = 24;
  layout.thread_frame = 56;
  layout.thread_indirect = true;
  layout.thread_indirect_frame = 0;
  layout.previous = 8;
  layout.executable = 0;
  layout.instruction = 56;
  layout.has_owner = true;
  layout.owner = 70;
  layout.name = 120;
  layout.qualified_name = 128;
  layout.file = 112;
  layout.first_line = 68;
  layout.line_table = 136;
  layout.bytecode = 192;
  layout.first_traceable = 176;
  return layout;
}

// Where sections of _Py_DebugOffsets begin, in 64-bit numbers. The first number of each is the structure's size.
struct Sections {
  std::uint32_t thread_state, frame, code, object, type, bytes, text, end;
};
constexpr std::uint32_t kRuntimeState = 3;
constexpr Sections kSections313 = {19, 28, 34, 44, 46, 64, 67, 71};
constexpr Sections kSections314 = {22, 31, 39, 50, 52, 74, 77, 81};
constexpr Sections kSections315 = {22, 39, 47, 58, 60, 86, 89, 94};

const Sections& sections_of(MinorVersion version) {
  return version == 0x030d ? kSections313 : version == 0x030e ? kSections314 : kSections315;
}

// Reads offsets, remembering whether each lay inside the structure that it is of.
class DebugOffsets {
 public:
  explicit DebugOffsets(std::uintptr_t runtime) : numbers_(reinterpret_cast<const std::uint64_t*>(runtime)) {}

  std::uint32_t read(std::uint32_t section, std::uint32_t field) {
    const std::uint64_t offset = numbers_[section + field];
    if (offset >= numbers_[section] || offset > 0xffff) plausible_ = false;
    return static_cast<std::uint32_t>(offset);
  }
  std::uint32_t size(std::uint32_t section) const { return static_cast<std::uint32_t>(numbers_[section]); }
  bool free_threaded() const { return numbers_[2] != 0; }
  MinorVersion version() const { return static_cast<MinorVersion>(numbers_[1] >> 16); }
  bool cookie() const { return numbers_[0] == 0x7970'6775'6265'6478; }  // "xdebugpy"
  bool plausible() const { return plausible_; }

 private:
  const std::uint64_t* numbers_;
  bool plausible_ = true;
};

bool from_debug_offsets(MinorVersion version, std::uintptr_t runtime, std::uintptr_t runtime_size, Layout& layout) {
  const Sections& at = sections_of(version);
  DebugOffsets offsets(runtime);
  if (runtime_size < at.end * sizeof(std::uint64_t) || !offsets.cookie() || offsets.version() != version) return false;
  const bool per_thread_bytecode = version >= 0x030e && offsets.free_threaded();

  layout.version = version;
  layout.finalizing = offsets.read(kRuntimeState, 1);
  layout.thread_frame = offsets.read(at.thread_state, 4);
  layout.previous = offsets.read(at.frame, 1);
  layout.executable = offsets.read(at.frame, 2);
  if (version >= 0x030e) layout.executable_mask = ~3ull;  // a tagged reference
  layout.instruction = offsets.read(at.frame, 3);
  layout.locals = offsets.read(at.frame, 4);
  layout.has_owner = true;
  layout.owner = offsets.read(at.frame, 5);
  layout.file = offsets.read(at.code, 1);
  layout.name = offsets.read(at.code, 2);
  layout.qualified_name = offsets.read(at.code, 3);
  layout.line_table = offsets.read(at.code, 4);
  layout.first_line = offsets.read(at.code, 5);
  layout.bytecode = offsets.read(at.code, 9);
  layout.first_traceable = layout.bytecode - (per_thread_bytecode ? 24 : 16);
  if (per_thread_bytecode) {
    layout.has_thread_bytecode = true;
    layout.thread_bytecode_index = offsets.read(at.frame, 7);
    layout.thread_bytecodes = offsets.read(at.code, 10);
  }
  layout.object_size = offsets.size(at.object);
  layout.object_type = offsets.read(at.object, 1);
  layout.type_name = offsets.read(at.type, 1);
  layout.type_dealloc = layout.type_name + 24;  // after the name and two sizes
  layout.bytes_size = offsets.read(at.bytes, 1);
  layout.bytes_data = offsets.read(at.bytes, 2);
  layout.text_state = offsets.read(at.text, 1);
  layout.text_length = offsets.read(at.text, 2);
  layout.text_state_shift = per_thread_bytecode ? 8 : 2;  // `interned` is a byte of its own there
  layout.text_ascii_data = static_cast<std::uint32_t>(reinterpret_cast<const std::uint64_t*>(runtime)[at.text + 3]);
  layout.text_wide_data = layout.text_ascii_data + 16;
  return offsets.plausible();
}

}  // namespace

bool layout_of(MinorVersion version, std::uintptr_t runtime, std::uintptr_t runtime_size, Layout& layout) {
  switch (version) {
    case 0x0309:
    case 0x030a:
      layout = with_frame_objects(version);
      return true;
    case 0x030b:
      layout = of_3_11();
      return true;
    case 0x030c:
      layout = of_3_12();
      return true;
    case 0x030d:
    case 0x030e:
    case 0x030f:
      return from_debug_offsets(version, runtime, runtime_size, layout);
    default:
      return false;
  }
}

}  // namespace memray::python
