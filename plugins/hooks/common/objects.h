// Reading loaded ELF objects in memory: which symbols they define, which of their words hold addresses of functions.
//
// dlsym is no help here. It allocates, it runs before it is ready when malloc itself is what is being looked up, and
// it answers for the caller's place in the search order, which a profiler does not share. So this walks the dynamic
// linker's public list of objects (struct link_map) and reads their hash tables. It needs no libc function and no
// relocation of our own object: the preload backend's malloc may be called while the dynamic linker is still busy
// relocating.
#pragma once

#include <elf.h>
#include <link.h>

#include <cstddef>
#include <cstdint>

// Hidden already in the declaration: calls need no relocation, which may not have happened yet.
#pragma GCC visibility push(hidden)

namespace memray::hooks::elf {

struct Object {
  std::uintptr_t base = 0;
  const ElfW(Dyn) * dynamic = nullptr;
  const char* strings = nullptr;
  const ElfW(Sym) * symbols = nullptr;
  const std::uint32_t* gnu_hash = nullptr;
  const std::uint32_t* sysv_hash = nullptr;
  const ElfW(Versym) * versions = nullptr;
  const ElfW(Rela) * relocations = nullptr;  // DT_RELA
  std::size_t relocation_count = 0;
  std::size_t relative_count = 0;                // how many of them, at the start, name no symbol
  const ElfW(Rela) * plt_relocations = nullptr;  // DT_JMPREL
  std::size_t plt_relocation_count = 0;
  bool symbolic = false;  // looks up symbols in itself first
  bool rpath = false, runpath = false;
};

Object read(std::uintptr_t base, const ElfW(Dyn) * dynamic);

// The dynamic linker's list of objects, in the order in which symbols are looked up. nullptr if there is none.
const link_map* first_object();

// This plugin's own entry in that list.
const link_map* own_object();

// The dynamic section of this plugin, which tells it from others.
const ElfW(Dyn) * own_dynamic();

bool equal(const char* a, const char* b);

// The symbol that a reference without a version is bound to, or nullptr.
const ElfW(Sym) * find(const Object& object, const char* name);

// Where a symbol that `find` returned is; indirect functions are resolved.
void* address(const Object& object, const ElfW(Sym) * symbol);

// The first object from `object` on, in the order of symbol lookup and memray's own left out, that defines `name`.
struct Definition {
  const link_map* where = nullptr;
  void* address = nullptr;
};
Definition find_from(const link_map* object, const char* name);

inline bool defines(const Object& object, const char* name) { return find(object, name) != nullptr; }

// The recorder's plugins: hooks, unwinders.
inline bool is_memray(const Object& object) { return defines(object, "memray_plugin"); }

// Calls visit(name, word) for each word of `object` that the dynamic linker fills with the address of a symbol.
template <typename Visit>
void for_each_slot(const Object& object, Visit visit) {
#if defined(__x86_64__)
  constexpr std::uint32_t kJumpSlot = R_X86_64_JUMP_SLOT, kGlobalData = R_X86_64_GLOB_DAT, kAbsolute = R_X86_64_64;
#elif defined(__aarch64__)
  constexpr std::uint32_t kJumpSlot = R_AARCH64_JUMP_SLOT, kGlobalData = R_AARCH64_GLOB_DAT,
                          kAbsolute = R_AARCH64_ABS64;
#endif
  const auto visit_table = [&](const ElfW(Rela) * table, std::size_t from, std::size_t count) {
    for (std::size_t i = from; i < count; ++i) {
      const auto type = static_cast<std::uint32_t>(ELF64_R_TYPE(table[i].r_info));
      if (type != kJumpSlot && type != kGlobalData && type != kAbsolute) continue;
      if (type == kAbsolute && table[i].r_addend != 0) continue;
      const std::uintptr_t word = object.base + table[i].r_offset;
      if (word % sizeof(void*) != 0) continue;
      const ElfW(Sym)& symbol = object.symbols[ELF64_R_SYM(table[i].r_info)];
      visit(object.strings + symbol.st_name, reinterpret_cast<void**>(word));
    }
  };
  visit_table(object.relocations, object.relative_count, object.relocation_count);
  visit_table(object.plt_relocations, 0, object.plt_relocation_count);
}

}  // namespace memray::hooks::elf

#pragma GCC visibility pop
