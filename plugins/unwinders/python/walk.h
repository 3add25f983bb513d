// The stack of one thread, kept up to date.
#pragma once

#include "runtime.h"

#include <memray/unwinder.h>

namespace memray::python {

struct Stack;

void prepare_walk(const Runtime& runtime);  // before a recording

Stack* new_stack();         // of the calling thread; nullptr: out of memory
void forget(Stack& stack);  // the next change starts from an empty stack
void delete_stack(Stack& stack);
void update(Stack& stack, memray_stack_change& change);

}  // namespace memray::python
