#include "symbols/debug_info.h"

#include "symbols/demangle.h"

#include <dwarf.h>

namespace memray::symbols {

namespace {

template <typename Value>
void add_ranges(RangeMap<Value>& map, Dwarf_Die& die, const Value& value) {
  Dwarf_Addr base = 0;
  Dwarf_Addr start = 0;
  Dwarf_Addr end = 0;
  for (std::ptrdiff_t at = 0; (at = dwarf_ranges(&die, at, &base, &start, &end)) > 0;) map.add(start, end, value);
}

template <typename Visit>
void for_each_child(Dwarf_Die& parent, Visit visit) {
  Dwarf_Die child;
  if (dwarf_child(&parent, &child) != 0) return;
  do {
    if (!visit(child)) return;
  } while (dwarf_siblingof(&child, &child) == 0);
}

const char* text_of(Dwarf_Die& die, unsigned attribute) {
  Dwarf_Attribute found;
  return dwarf_attr_integrate(&die, attribute, &found) ? dwarf_formstring(&found) : nullptr;
}

std::uint64_t number_of(Dwarf_Die& die, unsigned attribute) {
  Dwarf_Attribute found;
  Dwarf_Word value = 0;
  return dwarf_attr(&die, attribute, &found) && dwarf_formudata(&found, &value) == 0 ? value : 0;
}

// A linkage name that is not mangled is the library's business: what is known as strdup may be __GI___strdup in there.
std::string name_of(Dwarf_Die& function) {
  for (const unsigned attribute : {DW_AT_linkage_name, DW_AT_MIPS_linkage_name}) {
    if (const char* name = text_of(function, attribute); name && is_mangled(name)) return name;
  }
  const char* name = text_of(function, DW_AT_name);
  return name ? name : "";
}

SourcePosition line_at(Dwarf_Die& unit, std::uint64_t address) {
  SourcePosition position;
  Dwarf_Line* line = dwarf_getsrc_die(&unit, address);
  if (!line) return position;
  int number = 0;
  if (dwarf_lineno(line, &number) == 0 && number > 0) position.line = static_cast<std::uint32_t>(number);
  if (const char* file = dwarf_linesrc(line, nullptr, nullptr)) position.file = file;
  return position;
}

// Where an inlined function was called.
SourcePosition call_site(Dwarf_Die& unit, Dwarf_Die& inlined) {
  SourcePosition position;
  position.line = static_cast<std::uint32_t>(number_of(inlined, DW_AT_call_line));
  Dwarf_Files* files = nullptr;
  std::size_t count = 0;
  const std::uint64_t number = number_of(inlined, DW_AT_call_file);
  if (dwarf_getsrcfiles(&unit, &files, &count) == 0 && number < count) {
    if (const char* file = dwarf_filesrc(files, number, nullptr, nullptr)) position.file = file;
  }
  return position;
}

// Appends the functions inlined into `scope` at `address`, outermost first.
void find_inlined(Dwarf_Die& scope, std::uint64_t address, std::vector<Dwarf_Die>& chain) {
  for_each_child(scope, [&](Dwarf_Die& child) {
    const int tag = dwarf_tag(&child);
    const bool block = tag == DW_TAG_lexical_block || tag == DW_TAG_try_block || tag == DW_TAG_catch_block;
    if (tag != DW_TAG_inlined_subroutine && !block) return true;
    if (dwarf_haspc(&child, address) != 1) return true;
    if (!block) chain.push_back(child);
    Dwarf_Die found = child;
    find_inlined(found, address, chain);
    return false;
  });
}

}  // namespace

DebugInfo::DebugInfo(Dwarf* dwarf) {
  Dwarf_CU* cu = nullptr;
  std::uint8_t type = 0;
  Dwarf_Die die;
  Dwarf_Die split;
  while (dwarf_get_units(dwarf, cu, &cu, nullptr, &type, &die, &split) == 0) {
    if (type != DW_UT_compile && type != DW_UT_skeleton) continue;
    const bool has_split = type == DW_UT_skeleton && dwarf_tag(&split) == DW_TAG_compile_unit;
    const char* folder = text_of(die, DW_AT_comp_dir);
    units_.push_back(std::make_unique<Unit>(Unit{die, has_split ? split : die, folder ? folder : "", {}, false}));
    add_ranges(by_address_, die, units_.back().get());
  }
  by_address_.finish();
}

// Functions stand in the unit, in namespaces and types, and, in some languages, in other functions.
void DebugInfo::read_functions(Unit& unit, Dwarf_Die& parent) {
  for_each_child(parent, [&](Dwarf_Die& child) {
    switch (dwarf_tag(&child)) {
      case DW_TAG_subprogram:
        add_ranges(unit.functions, child, child);
        [[fallthrough]];
      case DW_TAG_namespace:
      case DW_TAG_module:
      case DW_TAG_class_type:
      case DW_TAG_structure_type:
      case DW_TAG_union_type: {
        Dwarf_Die inside = child;
        read_functions(unit, inside);
        break;
      }
      default:
        break;
    }
    return true;
  });
}

std::vector<SourcePosition> DebugInfo::find(std::uint64_t address) {
  Unit* const* found = by_address_.find(address);
  if (!found) return {};
  Unit& unit = **found;
  if (!unit.read) {
    read_functions(unit, unit.entries);
    unit.functions.finish();
    unit.read = true;
  }
  std::vector<SourcePosition> positions = {line_at(unit.lines, address)};
  if (Dwarf_Die* function = unit.functions.find(address)) {
    std::vector<Dwarf_Die> inlined;
    find_inlined(*function, address, inlined);
    for (; !inlined.empty(); inlined.pop_back()) {
      positions.back().function = name_of(inlined.back());
      positions.push_back(call_site(unit.entries, inlined.back()));
    }
    positions.back().function = name_of(*function);
  }
  for (SourcePosition& position : positions) {
    if (position.file.empty() || position.file.starts_with('/')) continue;
    // A folder that is relative too was made so by the builder's path mapping, and libdw has put it in front.
    const auto file = unit.folder.is_absolute() ? unit.folder / position.file : std::filesystem::path(position.file);
    position.file = file.lexically_normal();
  }
  return positions;
}

}  // namespace memray::symbols
