// The stack of one thread, kept up to date.
#pragma once

#include <memray/unwinder.h>

namespace memray::python {

struct Stack;

Stack* new_stack();         // nullptr: out of memory
void forget(Stack& stack);  // the next change starts from an empty stack
void delete_stack(Stack& stack);
void update(Stack& stack, memray_stack_change& change);

}  // namespace memray::python
