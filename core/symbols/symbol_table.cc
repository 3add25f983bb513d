#include "symbols/symbol_table.h"

#include <algorithm>

namespace memray::symbols {

namespace {

bool names_code(const GElf_Sym& symbol, GElf_Word section) {
  const auto type = GELF_ST_TYPE(symbol.st_info);
  return section != SHN_UNDEF && type != STT_SECTION && type != STT_FILE && type != STT_TLS;
}

std::size_t rank(const GElf_Sym& symbol) {
  switch (GELF_ST_BIND(symbol.st_info)) {
    case STB_LOCAL:
      return 2;
    case STB_WEAK:
      return 1;
    default:
      return 0;
  }
}

GElf_Addr end_of_section(Elf* elf, GElf_Word number, GElf_Addr bias) {
  GElf_Shdr header;
  Elf_Scn* section = elf_getscn(elf, number);
  return section && gelf_getshdr(section, &header) ? header.sh_addr + header.sh_size + bias : 0;
}

}  // namespace

// From the last symbol to the first, because of two at one place the range map takes the one added last, and libdwfl
// the first.
SymbolTable::SymbolTable(Dwfl_Module* module) {
  for (int i = dwfl_module_getsymtab(module); --i > 0;) {
    GElf_Sym symbol;
    GElf_Addr address = 0;
    GElf_Word section = SHN_UNDEF;
    Elf* elf = nullptr;
    Dwarf_Addr bias = 0;
    const char* name = dwfl_module_getsym_info(module, i, &symbol, &address, &section, &elf, &bias);
    if (!name || *name == '\0' || !names_code(symbol, section)) continue;
    if (symbol.st_size == 0) {
      labels_.push_back({address, end_of_section(elf, section, bias), name});
    } else {
      symbols_[rank(symbol)].add(address, address + symbol.st_size, name);
    }
  }
  for (auto& symbols : symbols_) symbols.finish();
  std::ranges::stable_sort(labels_, {}, &Label::address);
}

const char* SymbolTable::find(GElf_Addr address) {
  GElf_Addr reach = 0;
  for (auto& symbols : symbols_) {
    if (const char** name = symbols.find(address)) return *name;
    reach = std::max(reach, symbols.reach(address));
  }
  const auto next = std::ranges::upper_bound(labels_, address, {}, &Label::address);
  if (next == labels_.begin()) return nullptr;
  const Label& label = *std::prev(next);
  // What has a size says where it ends: behind that, no label from before is meant.
  return label.address >= reach && address < label.section_end ? label.name : nullptr;
}

}  // namespace memray::symbols
