// Numbers of code objects: each is described to the collector once and named by its number from then on.
#pragma once

#include "code.h"

#include <cstdint>

namespace memray::python {

// The number of the code object at `code`, which a frame of the calling thread runs. Describes it first if it is not
// known yet. 0: it cannot be described.
std::uint32_t number_of_code(const Runtime& runtime, std::uintptr_t code, TextBuffer buffer);

// Goes up whenever a code object that has a number dies: whoever remembers code objects by their address must forget
// them then, since another one may take the address.
std::uint32_t code_generation();

// Starts with an empty table and watches code objects die. False: out of memory.
bool watch_code(const Runtime& runtime);
void unwatch_code(const Runtime& runtime);

}  // namespace memray::python
