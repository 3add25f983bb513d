// Where nobody has written down yet how a function is called in a thread of another process.
#include "attach/injection.h"

namespace memray::attach {

std::unique_ptr<Injection> enter_by_ptrace(pid_t) {
  throw AttachError(
      "here memray gets into a running process by --method=remote_exec or gdb only; or start the program with "
      "memray run");
}

}  // namespace memray::attach
