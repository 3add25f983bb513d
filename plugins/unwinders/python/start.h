// Recording from where the user's script starts to where it ends.
#pragma once

#include "runtime.h"

namespace memray::python {

// Called before main. False: this program is no Python interpreter.
bool start_with_script();

// Where recording starts in a program that runs already, or before its interpreter does: tells what can be said of the
// interpreter now, and the rest as soon as it can be asked, unless `forget_to_describe` is called before.
void describe_interpreter(const Runtime& runtime);
void forget_to_describe();

}  // namespace memray::python
