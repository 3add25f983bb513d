#pragma once

#include <string>
#include <string_view>

namespace memray::symbols {

// What compilers of C++ and older ones of Rust make of names that the linker's cannot hold.
inline bool is_mangled(std::string_view name) { return name.starts_with("_Z"); }

// "std::vector<int>::push_back(int&&)" for its mangled name, and for that of a part or a variant of
// it that the optimiser made (".cold", ".constprop.0"); anything else as it is.
std::string demangle(std::string_view name);

}  // namespace memray::symbols
