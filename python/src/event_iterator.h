// The iterators over every record of a capture: one by one, or as columns of a few thousand.
#pragma once

#include "capture_object.h"
#include "python.h"

namespace memray::python {

void add_event_iterator_type(PyObject* module);
PyObject* new_event_iterator(CaptureObject* capture);

// Whether FileReader shows it: an allocation or a deallocation, not the end of a process.
constexpr bool is_record(const Event& event) {
  return event.kind != Event::Kind::process_exec && event.kind != Event::Kind::process_exit;
}

}  // namespace memray::python
