// Finding a symbol of one loaded object. dlopen and dlsym would do, but they are among the functions that hook backends
// replace, and they are called here before libc is set up.
#include "process.h"

#include <elf.h>
#include <link.h>

namespace memray::recorder {

namespace {

bool same(const char* a, const char* b) {
  while (*a != '\0' && *a == *b) ++a, ++b;
  return *a == *b;
}

std::uint32_t gnu_hash(const char* name) {
  std::uint32_t h = 5381;
  for (; *name != '\0'; ++name) h = h * 33 + static_cast<unsigned char>(*name);
  return h;
}

// The tables of an object, from its dynamic section. The loader has made the addresses absolute already.
struct Symbols {
  const ElfW(Sym) * symbols = nullptr;
  const char* strings = nullptr;
  const std::uint32_t* hash = nullptr;
};

Symbols symbols_of(const ElfW(Dyn) * entry) {
  Symbols result;
  for (; entry->d_tag != DT_NULL; ++entry) {
    const auto address = entry->d_un.d_ptr;
    if (entry->d_tag == DT_SYMTAB) result.symbols = reinterpret_cast<const ElfW(Sym)*>(address);
    if (entry->d_tag == DT_STRTAB) result.strings = reinterpret_cast<const char*>(address);
    if (entry->d_tag == DT_GNU_HASH) result.hash = reinterpret_cast<const std::uint32_t*>(address);
  }
  return result;
}

// DT_GNU_HASH: four numbers (buckets, first hashed symbol, bloom words, shift), the bloom filter, the buckets, the
// chains.
std::uintptr_t lookup(const Symbols& object, std::uintptr_t base, const char* name) {
  if (!object.symbols || !object.strings || !object.hash) return 0;
  const std::uint32_t bucket_count = object.hash[0];
  const std::uint32_t first = object.hash[1];
  const std::uint32_t* buckets = object.hash + 4 + object.hash[2] * (sizeof(ElfW(Addr)) / sizeof(std::uint32_t));
  const std::uint32_t* chains = buckets + bucket_count;
  const std::uint32_t hash = gnu_hash(name);
  std::uint32_t i = bucket_count == 0 ? 0 : buckets[hash % bucket_count];
  if (i < first) return 0;
  for (;; ++i) {
    const std::uint32_t found = chains[i - first];
    if ((found | 1) == (hash | 1) && same(object.strings + object.symbols[i].st_name, name)) {
      return object.symbols[i].st_shndx == SHN_UNDEF ? 0 : base + object.symbols[i].st_value;
    }
    if (found & 1) return 0;
  }
}

struct Search {
  const char* file;
  const char* symbol;
  std::uintptr_t found;
};

int examine(dl_phdr_info* info, std::size_t, void* argument) {
  auto& search = *static_cast<Search*>(argument);
  if (!info->dlpi_name || !same(info->dlpi_name, search.file)) return 0;
  for (std::uint32_t i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_DYNAMIC) continue;
    const auto* dynamic = reinterpret_cast<const ElfW(Dyn)*>(info->dlpi_addr + segment.p_vaddr);
    search.found = lookup(symbols_of(dynamic), info->dlpi_addr, search.symbol);
  }
  return 1;
}

}  // namespace

const void* find_symbol(const char* file, const char* symbol) {
  Search search{file, symbol, 0};
  dl_iterate_phdr(examine, &search);
  return reinterpret_cast<const void*>(search.found);
}

}  // namespace memray::recorder
