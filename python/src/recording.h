#pragma once

#include "python.h"

namespace memray::python {

// memray._core.Recording, on which memray.Tracker stands, and the functions around it.
void add_recording_type(PyObject* module);

}  // namespace memray::python
