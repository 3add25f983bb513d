// Symbols of the objects in this process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace memray::python {

struct Symbol {
  std::uintptr_t address = 0;
  std::size_t size = 0;
};

struct WantedSymbol {
  const char* name;
  Symbol* found;  // filled in unless it already has an address
};

// Each symbol as defined by the first object, in load order, that defines it.
void find_symbols(std::span<const WantedSymbol> wanted);

// Whether the main program defines or imports a symbol.
bool program_mentions(const char* name);

}  // namespace memray::python
