// Is CPython laid out as we believe?
#pragma once

#include "runtime.h"

namespace memray::python {

// Runs a few lines of Python and compares what we read of its frames with what CPython itself says about them. Needs
// the GIL, with no Python error set, and leaves none. False: they differ.
bool layout_fits(const Runtime& runtime);

}  // namespace memray::python
