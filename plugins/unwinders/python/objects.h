// Lifetimes of Python objects.
#pragma once

#include "runtime.h"

namespace memray::python {

// From now on creations and destructions are told, if that is asked for. With the GIL.
void watch_objects(const Runtime& runtime);
void unwatch_objects(const Runtime& runtime);

}  // namespace memray::python
