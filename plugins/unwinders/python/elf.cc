// Why not dlsym: an interpreter may have been loaded with RTLD_LOCAL, where RTLD_DEFAULT does not look; the size of
// `_PyRuntime` is wanted too; and dlsym is itself a function that programs and profilers replace.
//
// So the dynamic symbol table of every object is searched through its hash table. Nearly all objects are dismissed by
// one load from the Bloom filter.
#include "elf.h"

#include <elf.h>
#include <link.h>

#include <string_view>

namespace memray::python {

namespace {

struct SymbolTable {
  std::uintptr_t base = 0;
  const ElfW(Sym) * symbols = nullptr;
  const char* strings = nullptr;
  const std::uint32_t* gnu_hash = nullptr;
  const std::uint32_t* sysv_hash = nullptr;
};

// glibc relocates the addresses of a dynamic section when it loads an object, other loaders do not.
template <typename T>
const T* relocated(std::uintptr_t base, std::uintptr_t address) {
  return reinterpret_cast<const T*>(address < base ? base + address : address);
}

bool read_table(const dl_phdr_info& object, SymbolTable& table) {
  const ElfW(Dyn)* dynamic = nullptr;
  for (int i = 0; i < object.dlpi_phnum; ++i) {
    if (object.dlpi_phdr[i].p_type == PT_DYNAMIC) {
      dynamic = reinterpret_cast<const ElfW(Dyn)*>(object.dlpi_addr + object.dlpi_phdr[i].p_vaddr);
    }
  }
  if (!dynamic) return false;
  table.base = object.dlpi_addr;
  for (; dynamic->d_tag != DT_NULL; ++dynamic) {
    const std::uintptr_t address = dynamic->d_un.d_ptr;
    switch (dynamic->d_tag) {
      case DT_SYMTAB:
        table.symbols = relocated<ElfW(Sym)>(table.base, address);
        break;
      case DT_STRTAB:
        table.strings = relocated<char>(table.base, address);
        break;
      case DT_GNU_HASH:
        table.gnu_hash = relocated<std::uint32_t>(table.base, address);
        break;
      case DT_HASH:
        table.sysv_hash = relocated<std::uint32_t>(table.base, address);
        break;
      default:
        break;
    }
  }
  return table.symbols && table.strings;
}

std::uint32_t gnu_hash_of(std::string_view name) {
  std::uint32_t hash = 5381;
  for (const char c : name) hash = hash * 33 + static_cast<unsigned char>(c);
  return hash;
}

std::uint32_t sysv_hash_of(std::string_view name) {
  std::uint32_t hash = 0;
  for (const char c : name) {
    hash = (hash << 4) + static_cast<unsigned char>(c);
    hash = (hash ^ (hash & 0xf000'0000) >> 24) & 0x0fff'ffff;
  }
  return hash;
}

bool defines(const SymbolTable& table, std::uint32_t index, std::string_view name, Symbol& found) {
  const ElfW(Sym)& symbol = table.symbols[index];
  if (symbol.st_shndx == SHN_UNDEF || name != table.strings + symbol.st_name) return false;
  found = {table.base + symbol.st_value, symbol.st_size};
  return true;
}

bool find_by_gnu_hash(const SymbolTable& table, std::string_view name, Symbol& found) {
  const std::uint32_t* header = table.gnu_hash;
  const std::uint32_t buckets = header[0];
  const std::uint32_t first_symbol = header[1];
  const std::uint32_t filter_words = header[2];
  const std::uint32_t shift = header[3];
  const auto* filter = reinterpret_cast<const std::uint64_t*>(header + 4);
  const auto* bucket = reinterpret_cast<const std::uint32_t*>(filter + filter_words);
  const std::uint32_t* chain = bucket + buckets;
  if (buckets == 0 || filter_words == 0) return false;

  const std::uint32_t hash = gnu_hash_of(name);
  const std::uint64_t bits = 1ull << (hash % 64) | 1ull << ((hash >> shift) % 64);
  if ((filter[(hash / 64) % filter_words] & bits) != bits) return false;
  std::uint32_t index = bucket[hash % buckets];
  if (index < first_symbol) return false;
  for (;; ++index) {
    const std::uint32_t entry = chain[index - first_symbol];
    if ((entry | 1) == (hash | 1) && defines(table, index, name, found)) return true;
    if (entry & 1) return false;
  }
}

bool find_by_sysv_hash(const SymbolTable& table, std::string_view name, Symbol& found) {
  const std::uint32_t buckets = table.sysv_hash[0];
  const std::uint32_t* bucket = table.sysv_hash + 2;
  const std::uint32_t* chain = bucket + buckets;
  if (buckets == 0) return false;
  for (std::uint32_t index = bucket[sysv_hash_of(name) % buckets]; index != 0; index = chain[index]) {
    if (defines(table, index, name, found)) return true;
  }
  return false;
}

bool find_in(const SymbolTable& table, std::string_view name, Symbol& found) {
  if (table.gnu_hash) return find_by_gnu_hash(table, name, found);
  return table.sysv_hash && find_by_sysv_hash(table, name, found);
}

// Symbols that an object only imports are in no GNU hash table; they come first in the symbol table.
bool imports(const SymbolTable& table, std::string_view name) {
  const std::uint32_t count = table.gnu_hash ? table.gnu_hash[1] : table.sysv_hash ? table.sysv_hash[1] : 0;
  for (std::uint32_t i = 1; i < count; ++i) {
    if (name == table.strings + table.symbols[i].st_name) return true;
  }
  return false;
}

}  // namespace

void find_symbols(std::span<const WantedSymbol> wanted) {
  const auto visit = [](dl_phdr_info* object, std::size_t, void* data) {
    SymbolTable table;
    if (!read_table(*object, table)) return 0;
    for (const WantedSymbol& symbol : *static_cast<const std::span<const WantedSymbol>*>(data)) {
      if (symbol.found->address == 0) find_in(table, symbol.name, *symbol.found);
    }
    return 0;
  };
  dl_iterate_phdr(visit, &wanted);
}

bool program_mentions(const char* name) {
  struct Question {
    std::string_view name;
    bool yes;
  } question{name, false};
  const auto visit = [](dl_phdr_info* object, std::size_t, void* data) {
    auto& asked = *static_cast<Question*>(data);
    SymbolTable table;
    Symbol found;
    if (read_table(*object, table)) asked.yes = find_in(table, asked.name, found) || imports(table, asked.name);
    return 1;  // the program is the first object
  };
  dl_iterate_phdr(visit, &question);
  return question.yes;
}

}  // namespace memray::python
