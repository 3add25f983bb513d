// Numbers of code objects: each is described to the collector once and named by its number from then on.
#pragma once

#include "code.h"

#include <atomic>
#include <cstdint>

namespace memray::python {

// The number of the code object at `code`, which a frame of the calling thread runs. Describes it first if it is not
// known yet. 0: it cannot be described.
std::uint32_t number_of_code(const Runtime& runtime, std::uintptr_t code, TextBuffer buffer);

// Goes up whenever a code object that has a number dies: whoever remembers code objects by their address must forget
// them then, since another one may take the address.
extern std::atomic<std::uint32_t> generation_of_codes;
inline std::uint32_t code_generation() { return generation_of_codes.load(std::memory_order_acquire); }

// Starts with an empty table and watches code objects die. False: out of memory.
bool watch_code(const Runtime& runtime);
void unwatch_code(const Runtime& runtime);

}  // namespace memray::python
