#include "objects.h"

#include "syscalls.h"

// <link.h> declares both. The address of the first may be unknown (see first_object), that of the second is our own.
extern r_debug _r_debug __attribute__((weak));
extern ElfW(Dyn) _DYNAMIC[] __attribute__((visibility("hidden")));

namespace memray::hooks::elf {

namespace {

constexpr std::uint16_t kHiddenVersion = 0x8000;

// Without a reference that the dynamic linker would have to relocate: from the kernel's description of the program.
const r_debug* debug_of_program() {
  const int fd = sys::open_readable("/proc/self/auxv");
  if (fd < 0) return nullptr;
  ElfW(auxv_t) entry;
  const ElfW(Phdr)* headers = nullptr;
  std::size_t count = 0;
  while (sys::read(fd, &entry, sizeof entry) == static_cast<long>(sizeof entry) && entry.a_type != AT_NULL) {
    if (entry.a_type == AT_PHDR) headers = reinterpret_cast<const ElfW(Phdr)*>(entry.a_un.a_val);
    if (entry.a_type == AT_PHNUM) count = entry.a_un.a_val;
  }
  sys::close(fd);
  if (!headers) return nullptr;
  std::uintptr_t base = 0;
  const ElfW(Phdr)* dynamic = nullptr;
  for (std::size_t i = 0; i < count; ++i) {
    if (headers[i].p_type == PT_PHDR) base = reinterpret_cast<std::uintptr_t>(headers) - headers[i].p_vaddr;
    if (headers[i].p_type == PT_DYNAMIC) dynamic = &headers[i];
  }
  if (!dynamic) return nullptr;
  for (auto* d = reinterpret_cast<const ElfW(Dyn)*>(base + dynamic->p_vaddr); d->d_tag != DT_NULL; ++d) {
    if (d->d_tag == DT_DEBUG) return reinterpret_cast<const r_debug*>(d->d_un.d_ptr);
  }
  return nullptr;
}

std::uint32_t gnu_hash_of(const char* name) {
  std::uint32_t hash = 5381;
  for (; *name != '\0'; ++name) hash = hash * 33 + static_cast<unsigned char>(*name);
  return hash;
}

std::uint32_t sysv_hash_of(const char* name) {
  std::uint32_t hash = 0;
  for (; *name != '\0'; ++name) {
    hash = (hash << 4) + static_cast<unsigned char>(*name);
    const std::uint32_t top = hash & 0xf000'0000;
    hash = (hash ^ (top >> 24)) & ~top;
  }
  return hash;
}

bool is_definition(const ElfW(Sym) & symbol) {
  if (symbol.st_shndx == SHN_UNDEF || symbol.st_value == 0) return false;
  const unsigned binding = ELF64_ST_BIND(symbol.st_info);
  return binding == STB_GLOBAL || binding == STB_WEAK || binding == STB_GNU_UNIQUE;
}

// Keeps the best of several symbols of one name: the default version, else any version.
struct Best {
  const Object& object;
  const char* name;
  const ElfW(Sym) * symbol = nullptr;

  // True when there can be no better one.
  bool consider(std::uint32_t index) {
    const ElfW(Sym)& candidate = object.symbols[index];
    if (!is_definition(candidate) || !equal(object.strings + candidate.st_name, name)) return false;
    const bool hidden = object.versions && (object.versions[index] & kHiddenVersion) != 0;
    if (!hidden || !symbol) symbol = &candidate;
    return !hidden;
  }
};

const ElfW(Sym) * find_gnu(const Object& object, const char* name) {
  const std::uint32_t* table = object.gnu_hash;
  const std::uint32_t buckets = table[0], first = table[1], filter_words = table[2], shift = table[3];
  const auto* filter = reinterpret_cast<const ElfW(Addr)*>(table + 4);
  const auto* bucket = reinterpret_cast<const std::uint32_t*>(filter + filter_words);
  const std::uint32_t* chain = bucket + buckets;
  if (buckets == 0) return nullptr;

  constexpr std::uint32_t kBits = 8 * sizeof(ElfW(Addr));
  const std::uint32_t hash = gnu_hash_of(name);
  const ElfW(Addr) word = filter[(hash / kBits) % filter_words];
  if (((word >> (hash % kBits)) & (word >> ((hash >> shift) % kBits)) & 1) == 0) return nullptr;

  Best best{object, name};
  std::uint32_t index = bucket[hash % buckets];
  if (index < first) return nullptr;
  for (;; ++index) {
    const std::uint32_t entry = chain[index - first];
    if ((entry | 1) == (hash | 1) && best.consider(index)) break;
    if ((entry & 1) != 0) break;
  }
  return best.symbol;
}

const ElfW(Sym) * find_sysv(const Object& object, const char* name) {
  const std::uint32_t buckets = object.sysv_hash[0];
  if (buckets == 0) return nullptr;
  const std::uint32_t* bucket = object.sysv_hash + 2;
  const std::uint32_t* chain = bucket + buckets;
  Best best{object, name};
  for (std::uint32_t index = bucket[sysv_hash_of(name) % buckets]; index != STN_UNDEF; index = chain[index]) {
    if (best.consider(index)) break;
  }
  return best.symbol;
}

}  // namespace

bool equal(const char* a, const char* b) {
  while (*a != '\0' && *a == *b) ++a, ++b;
  return *a == *b;
}

Object read(std::uintptr_t base, const ElfW(Dyn) * dynamic) {
  Object object;
  object.base = base;
  object.dynamic = dynamic;
  if (!dynamic) return object;
  // The dynamic linker makes these addresses absolute in place, except where the section is read-only.
  const auto at = [base](const ElfW(Dyn) * entry) {
    return entry->d_un.d_ptr < base ? entry->d_un.d_ptr + base : entry->d_un.d_ptr;
  };
  bool plt_is_rela = true;
  for (const ElfW(Dyn)* d = dynamic; d->d_tag != DT_NULL; ++d) {
    if (d->d_tag == DT_STRTAB) object.strings = reinterpret_cast<const char*>(at(d));
    if (d->d_tag == DT_SYMTAB) object.symbols = reinterpret_cast<const ElfW(Sym)*>(at(d));
    if (d->d_tag == DT_GNU_HASH) object.gnu_hash = reinterpret_cast<const std::uint32_t*>(at(d));
    if (d->d_tag == DT_HASH) object.sysv_hash = reinterpret_cast<const std::uint32_t*>(at(d));
    if (d->d_tag == DT_VERSYM) object.versions = reinterpret_cast<const ElfW(Versym)*>(at(d));
    if (d->d_tag == DT_RELA) object.relocations = reinterpret_cast<const ElfW(Rela)*>(at(d));
    if (d->d_tag == DT_RELASZ) object.relocation_count = d->d_un.d_val / sizeof(ElfW(Rela));
    if (d->d_tag == DT_RELACOUNT) object.relative_count = d->d_un.d_val;
    if (d->d_tag == DT_JMPREL) object.plt_relocations = reinterpret_cast<const ElfW(Rela)*>(at(d));
    if (d->d_tag == DT_PLTRELSZ) object.plt_relocation_count = d->d_un.d_val / sizeof(ElfW(Rela));
    if (d->d_tag == DT_PLTREL) plt_is_rela = d->d_un.d_val == DT_RELA;
    if (d->d_tag == DT_SYMBOLIC) object.symbolic = true;
    if (d->d_tag == DT_FLAGS && (d->d_un.d_val & DF_SYMBOLIC) != 0) object.symbolic = true;
    if (d->d_tag == DT_RPATH) object.rpath = true;
    if (d->d_tag == DT_RUNPATH) object.runpath = true;
  }
  if (!plt_is_rela || !object.plt_relocations) object.plt_relocation_count = 0;
  if (!object.relocations) object.relocation_count = 0;
  return object;
}

const link_map* first_object() {
  const r_debug* debug = &_r_debug ? &_r_debug : debug_of_program();
  return debug ? debug->r_map : nullptr;
}

const ElfW(Dyn) * own_dynamic() { return _DYNAMIC; }

const link_map* own_object() {
  const link_map* object = first_object();
  while (object && object->l_ld != _DYNAMIC) object = object->l_next;
  return object;
}

const ElfW(Sym) * find(const Object& object, const char* name) {
  if (!object.symbols || !object.strings) return nullptr;
  if (object.gnu_hash) return find_gnu(object, name);
  if (object.sysv_hash) return find_sysv(object, name);
  return nullptr;
}

void* address(const Object& object, const ElfW(Sym) * symbol) {
  void* value = reinterpret_cast<void*>(object.base + symbol->st_value);
  if (ELF64_ST_TYPE(symbol->st_info) == STT_GNU_IFUNC) value = reinterpret_cast<void* (*)()>(value)();
  return value;
}

Definition find_from(const link_map* object, const char* name) {
  for (; object; object = object->l_next) {
    const Object view = read(object->l_addr, object->l_ld);
    const ElfW(Sym)* symbol = find(view, name);
    if (symbol && !is_memray(view)) return {object, address(view, symbol)};
  }
  return {};
}

}  // namespace memray::hooks::elf
