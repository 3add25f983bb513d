// Recording from where the user's script starts to where it ends.
#pragma once

namespace memray::python {

// Called before main. False: this program is no Python interpreter.
bool start_with_script();

// What can be said about Python's allocator before the interpreter has chosen one.
void describe_allocator_early();

}  // namespace memray::python
