// The symbols of a file, by address.
//
// libdwfl merges the tables that a module has (.symtab, perhaps of a separate file, .dynsym, .gnu_debugdata), but goes
// through all of them for each address: with the 60,000 symbols of a compiler, that was half of what recording it took.
// Here they are read once. Which of several symbols is meant is decided as in libdwfl: one whose size covers the
// address before a label, which has no size; a global one before a weak one before a local one; then the nearest.
#pragma once

#include "symbols/range_map.h"

#include <elfutils/libdwfl.h>

#include <array>
#include <vector>

namespace memray::symbols {

class SymbolTable {
 public:
  // `module` stays open as long as the table is used.
  explicit SymbolTable(Dwfl_Module* module);

  // As it stands in the file. nullptr if no symbol holds for the address, which is one of libdwfl's session.
  const char* find(GElf_Addr address);

 private:
  struct Label {
    GElf_Addr address;
    GElf_Addr section_end;
    const char* name;
  };

  std::array<RangeMap<const char*>, 3> symbols_;  // global, weak and local ones
  std::vector<Label> labels_;                     // by address
};

}  // namespace memray::symbols
