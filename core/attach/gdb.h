// Having gdb do what injection.cc does, where only it may trace.
#pragma once

#include <sys/types.h>
#include <filesystem>
#include <string>

namespace memray::attach {

// Makes the process load `recorder`, unless that is empty, and call `int function(int, char*)` of the recorder that it
// has then with a descriptor of `file`, or with 0 if that is empty. The process must see both files under these names.
// Throws AttachError with what the function says if it does not return 0.
void call_by_gdb(pid_t pid, const std::filesystem::path& recorder, const std::string& function,
                 const std::string& file);

}  // namespace memray::attach
