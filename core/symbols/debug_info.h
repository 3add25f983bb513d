// What DWARF says about an address: the function, the line, and the functions that the compiler has inlined there.
//
// libdw reads the formats; how to find one's way in them is decided here. Its own way to the unit of an address leads
// through .debug_aranges, which many compilers leave out, and its way to the function walks the unit each time. So the
// ranges of all units are read when the file is opened, and the ranges of a unit's functions when the unit is first
// needed: from then on an address costs two binary searches and a walk down the blocks of one function.
#pragma once

#include "symbols/range_map.h"

#include <elfutils/libdw.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace memray::symbols {

// A function and a line in it.
struct SourcePosition {
  std::string function;  // mangled where it has such a name
  std::string file;
  std::uint32_t line = 0;
};

class DebugInfo {
 public:
  explicit DebugInfo(Dwarf* dwarf);

  // Innermost function first; nothing where the address is in no unit. A name is empty where it is not known.
  std::vector<SourcePosition> find(std::uint64_t address);

 private:
  struct Unit {
    Dwarf_Die lines;               // whose line table it is
    Dwarf_Die entries;             // the same, or the one in the split file
    std::filesystem::path folder;  // in which the compiler ran
    RangeMap<Dwarf_Die> functions;
    bool read = false;
  };
  static void read_functions(Unit& unit, Dwarf_Die& parent);

  std::vector<std::unique_ptr<Unit>> units_;
  RangeMap<Unit*> by_address_;
};

}  // namespace memray::symbols
