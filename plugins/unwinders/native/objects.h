// The objects of the process, and their unwind information.
#pragma once

#include "memory.h"

#include <atomic>
#include <cstdint>

namespace memray::native {

// The .eh_frame_hdr of the object whose code `pc` is in, or nullptr. Takes no lock.
const std::uint8_t* unwind_table_of(Word pc);

// Objects may have come or gone. Takes the loader's lock.
void look_at_objects();

// Raised when an object has gone: another one may have other code at the same addresses.
extern std::atomic<std::uint32_t> generation_of_objects;
inline std::uint32_t object_generation() { return generation_of_objects.load(std::memory_order_acquire); }

// What unwind_table_of falls back on where the dynamic linker offers nothing better.
const std::uint8_t* unwind_table_in_list(Word pc);

}  // namespace memray::native
