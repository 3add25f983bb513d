// Where nobody has written down yet how a function is called in a thread of another process.
#include "attach/attach.h"

namespace memray::attach {

namespace {
constexpr char kWhy[] = "memray attach works on x86-64 only; here, start the program with memray run";
}

std::string attach(CollectRequest, Method) { throw AttachError(kWhy); }
Ended detach(pid_t, const std::filesystem::path&, Method) { throw AttachError(kWhy); }
void leave(pid_t, const std::filesystem::path&, Method) { throw AttachError(kWhy); }

}  // namespace memray::attach
