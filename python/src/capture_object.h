// The type memray._core.Capture: an open capture, on which memray.FileReader stands.
#pragma once

#include <memory>

#include "python.h"
#include "stacks.h"

namespace memray::python {

struct OpenCapture {
  explicit OpenCapture(const std::string& path) : capture(path), stacks(capture) {}
  Capture capture;
  Stacks stacks;
};

struct CaptureObject {
  PyObject_HEAD OpenCapture* open;
};

Ref name_of_thread(OpenCapture& open, std::int64_t tid);

void add_capture_type(PyObject* module);

}  // namespace memray::python
