// Lifetimes of Python objects: what FileReader yields of them, and the objects themselves where they were recorded.
#pragma once

#include "capture_object.h"
#include "python.h"

namespace memray::python {

void add_object_iterator_type(PyObject* module);

// An iterator of TrackedObjectRecord. `addresses` is None for every event, else a set of id()s of objects that are
// alive: of what lived at these addresses one after the other, the last is meant.
PyObject* new_object_iterator(CaptureObject* capture, PyObject* addresses);

// A tuple of the objects that the recording of this process, just ended, says are alive. The GIL must have been held
// since it ended.
Ref survivors(const std::string& path);

}  // namespace memray::python
