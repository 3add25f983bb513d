// Where CPython keeps what we read, in bytes from the start of each structure.
#pragma once

#include <cstdint>

namespace memray::python {

// 3.9 is 0x0309.
using MinorVersion = std::uint32_t;

inline constexpr MinorVersion kOldest = 0x0309;
inline constexpr MinorVersion kNewest = 0x030f;

// How a frame says where it is.
enum class Instruction : std::uint8_t {
  index,    // 3.9, 3.10: an int that counts instructions or bytes; -1 before the first
  pointer,  // 3.11 and later: into the bytecode at the end of the code object
};

struct Layout {
  MinorVersion version = 0;

  // Runtime -> state of the thread that is finalizing it, if one is.
  std::uint32_t finalizing = 0;

  // Thread state -> innermost frame.
  std::uint32_t thread_frame = 0;  // of the frame pointer, or (3.11, 3.12) of the pointer to what holds it
  bool thread_indirect = false;
  std::uint32_t thread_indirect_frame = 0;
  std::uint32_t thread_id = 0;  // before 3.12

  // Frame.
  std::uint32_t previous = 0;
  std::uint32_t executable = 0;  // the code object, in the higher bits of the word
  std::uint64_t executable_mask = ~0ull;
  std::uint32_t locals = 72;  // the first of them
  std::uint32_t instruction = 0;
  std::uint64_t instruction_mask = ~0ull;
  Instruction instruction_kind = Instruction::pointer;
  std::uint32_t index_scale = 1;  // bytes per unit of Instruction::index
  bool has_owner = false;         // frames say who owns them: 3.11 and later
  std::uint32_t owner = 0;
  std::uint8_t first_shim_owner = 3;  // owners from this on are C stack shims, not Python frames: 3.12 and later
  bool has_entry_flag = false;        // 3.11: a byte that says "first frame of its C evaluator"
  std::uint32_t entry_flag = 0;
  bool has_thread_bytecode = false;  // free-threaded 3.14: each thread runs its own copy of the bytecode
  std::uint32_t thread_bytecode_index = 0;

  // Code object.
  std::uint32_t name = 0;
  std::uint32_t qualified_name = 0;  // 0: there is none before 3.11
  std::uint32_t file = 0;
  std::uint32_t first_line = 0;
  std::uint32_t line_table = 0;
  std::uint32_t bytecode = 0;         // 3.11 and later
  std::uint32_t first_traceable = 0;  // 3.11 and later
  std::uint32_t thread_bytecodes = 0;

  // Objects, types, bytes, strings.
  std::uint32_t object_size = 16;
  std::uint32_t object_type = 8;
  std::uint32_t type_name = 24;
  std::uint32_t type_dealloc = 48;
  std::uint32_t bytes_size = 16;
  std::uint32_t bytes_data = 32;
  std::uint32_t text_length = 16;
  std::uint32_t text_state = 32;
  std::uint32_t text_state_shift = 2;  // of `kind` in the state word; `compact` and `ascii` follow
  std::uint32_t text_ascii_data = 40;
  std::uint32_t text_wide_data = 56;
};

// Fills in the layout of a CPython whose `_PyRuntime` is at `runtime`. False if this version is not known.
bool layout_of(MinorVersion version, std::uintptr_t runtime, std::uintptr_t runtime_size, Layout& layout);

}  // namespace memray::python
