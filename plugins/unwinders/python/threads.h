// Names of threading.Thread objects.
#pragma once

#include "runtime.h"

namespace memray::python {

// Tells the names that threads have and, until unwatch_threads, those of threads that start or end: at once if the
// caller holds the GIL, else as soon as the interpreter can be asked.
void watch_threads(const Runtime& runtime);

// A code object in this file is being run for the first time.
void file_noticed(const Runtime& runtime, const char* file, std::uint32_t size);

// Tells names once more, since threads are renamed by a plain assignment that nobody hears of. If the caller holds the
// GIL; else only stops watching.
void unwatch_threads(const Runtime& runtime);

}  // namespace memray::python
