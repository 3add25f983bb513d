// Frames of a capture as Python sees them: (function, file, line).
#pragma once

#include <memray/query.h>

#include <vector>

#include "python.h"

namespace memray::python {

// Each text and each frame is made once, so that a million stacks with the same frames cost their lists.
class Stacks {
 public:
  explicit Stacks(const Capture& capture) : capture_(capture) {}
  ~Stacks();
  Stacks(const Stacks&) = delete;
  Stacks& operator=(const Stacks&) = delete;

  // Lists of (function, file, line), innermost first, of at most `most` frames.
  Ref python(StackId stack, std::size_t most);
  Ref native(StackId stack, std::size_t most);
  Ref hybrid(StackId stack, StackId native_stack, std::size_t most);

  PyObject* string(StringId id);  // borrowed

 private:
  PyObject* frame(FrameId id);  // borrowed: a tuple of (function, file, line), several where functions are inlined
  Ref list(const std::vector<FrameId>& frames, std::size_t most);

  const Capture& capture_;
  std::vector<PyObject*> frames_;
  std::vector<PyObject*> strings_;
};

}  // namespace memray::python
