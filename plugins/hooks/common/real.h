// The functions behind the hooks: where each really is, which object answers, and whether it has to be hooked at all.
#pragma once

#include "functions.h"
#include "objects.h"

#include <memray/hooks.h>

#pragma GCC visibility push(hidden)

namespace memray::hooks {

extern void* real_address[kFunctionCount];  // null until looked up

// Looks up all functions. Returns the address of `function`; for one that is not there, of a function that fails.
void* resolve(std::size_t function);

// The real function in place of the hook `H`.
template <typename Signature>
inline Signature* real(Function f) {
  void* address = real_address[index(f)];
  if (!address) [[unlikely]]
    address = resolve(index(f));
  return reinterpret_cast<Signature*>(address);
}

// The same where it has been looked up already, else null.
template <typename Signature>
inline Signature* real_if_known(Function f) {
  return reinterpret_cast<Signature*>(real_address[index(f)]);
}

// Called at attach. Returns NULL, or why this backend cannot work here.
const char* examine_program();

// "glibc", "jemalloc", ...: who answers malloc. Valid after examine_program.
const char* allocator_name();

// malloc is answered by something other than libc, whose own calls of mmap pass through hooks.
bool allocator_is_foreign();

}  // namespace memray::hooks

#pragma GCC visibility pop
