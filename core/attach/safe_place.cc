// Loading a library takes the dynamic loader's lock and the allocator's. A thread that has one of them, or is in the
// middle of changing what they protect, must not be made to do it: it would wait for itself, or find things half
// done. What other threads hold does not matter, because they go on running meanwhile.
//
// So the stack of the stopped thread is unwound, by the unwind tables of the files that it runs, and no frame may
// belong to the dynamic loader, to an allocator, or to the few functions of libc that share a lock with them. A thread
// in a system call is otherwise fine wherever it is. One that is in libc's own code outside of a system call is not:
// names of inner functions are often stripped, and it will be elsewhere in a microsecond.
//
// A program that spends its life in there is followed to the return into its own code: the frame that called all this.
//
// Unwinding may end early, in code that was made at run time. What would be unsafe is near the top, so what has been
// seen until then decides.
#include "attach/safe_place.h"

#include "attach/target.h"

#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

namespace memray::attach {

namespace {

constexpr int kMostFrames = 256;

// The process whose files are looked for; one at a time.
pid_t current = 0;

int find_file(Dwfl_Module* module, void** data, const char* name, Dwarf_Addr base, char** file, Elf** elf) {
  if (name[0] == '/' && std::string_view(name).find(" (deleted)") == std::string_view::npos) {
    const int fd = open(fmt::format("/proc/{}/root{}", current, name).c_str(), O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
      *file = strdup(name);
      return fd;
    }
  }
  return dwfl_linux_proc_find_elf(module, data, name, base, file, elf);
}

int find_no_debug_info(Dwfl_Module*, void**, const char*, Dwarf_Addr, const char*, const char*, GElf_Word, char**) {
  return -1;
}

const Dwfl_Callbacks kCallbacks = {find_file, find_no_debug_info, nullptr, nullptr};

bool is_loader(std::string_view file) { return file.starts_with("ld-linux") || file.starts_with("ld-2."); }
bool is_libc(std::string_view file) { return file.starts_with("libc.so") || file.starts_with("libc-2."); }

// Libraries in which no thread may be: allocators, and what an earlier recording has left.
bool is_avoided(std::string_view file) {
  constexpr std::string_view kLibraries[] = {"libjemalloc", "libtcmalloc", "libmimalloc",
                                             "librpmalloc", "libmemray-",  "memray-"};
  return std::ranges::any_of(kLibraries, [&](std::string_view start) { return file.starts_with(start); });
}

// Functions that hold a lock which loading a library needs, wherever they are defined.
bool is_avoided_function(std::string_view name) {
  constexpr std::string_view kNames[] = {"free",  "cfree", "valloc", "pvalloc", "fork",
                                         "vfork", "_Fork", "exit",   "abort"};
  constexpr std::string_view kStarts[] = {
      "malloc",         "calloc",      "realloc",   "memalign", "posix_memalign", "aligned_alloc",    "__libc_malloc",
      "__libc_free",    "_int_",       "sysmalloc", "systrim",  "arena_",         "tcache_",          "ptmalloc",
      "__malloc",       "je_",         "mi_",       "tc_",      "_dl_",           "dl_iterate",       "dlopen",
      "dlclose",        "dlsym",       "__libc_dl", "dladdr",   "pthread_create", "__pthread_create", "__nptl_",
      "allocate_stack", "__libc_fork", "__run_exit"};
  return std::ranges::find(kNames, name) != std::end(kNames) ||
         std::ranges::any_of(kStarts, [&](std::string_view start) { return name.starts_with(start); });
}

struct Walk {
  const Dwfl* dwfl;
  int frames = 0;
  bool in_system_call;
  SafePlace::Verdict verdict{true, 0};
  bool leaving = false;  // the last frame was no place to be
};

std::string_view file_name(Dwfl_Module* module) {
  const char* path = nullptr;
  const char* name = dwfl_module_info(module, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, &path);
  std::string_view file = name ? name : "";
  if (file.ends_with(" (deleted)")) file.remove_suffix(10);
  file = file.substr(file.rfind('/') + 1);
  if (file.starts_with("memfd:")) file.remove_prefix(6);
  return file;
}

int visit(Dwfl_Frame* frame, void* argument) {
  auto& walk = *static_cast<Walk*>(argument);
  Dwarf_Addr pc = 0;
  bool exact = false;
  if (!dwfl_frame_pc(frame, &pc, &exact)) return DWARF_CB_ABORT;
  if (!exact) --pc;
  Dwfl_Module* module = dwfl_addrmodule(const_cast<Dwfl*>(walk.dwfl), pc);
  const std::string_view file = module ? file_name(module) : "";
  GElf_Off offset = 0;
  GElf_Sym symbol;
  const char* name = module ? dwfl_module_addrinfo(module, pc, &offset, &symbol, nullptr, nullptr, nullptr) : nullptr;
  const bool innermost = walk.frames++ == 0;
  if (is_loader(file) || is_avoided(file) || (name && is_avoided_function(name)) ||
      (innermost && is_libc(file) && !walk.in_system_call)) {
    walk.verdict.safe = false;
    walk.leaving = true;
  } else if (std::exchange(walk.leaving, false)) {
    walk.verdict.until = exact ? pc : pc + 1;
  }
  return walk.frames < kMostFrames ? DWARF_CB_OK : DWARF_CB_ABORT;
}

}  // namespace

struct SafePlace::State {
  Dwfl* dwfl = nullptr;
  ~State() { dwfl_end(dwfl); }
};

SafePlace::SafePlace(pid_t pid) : state_(std::make_unique<State>()) {
  current = pid;
  state_->dwfl = dwfl_begin(&kCallbacks);
  if (!state_->dwfl || dwfl_linux_proc_report(state_->dwfl, pid) != 0 ||
      dwfl_report_end(state_->dwfl, nullptr, nullptr) != 0 || dwfl_linux_proc_attach(state_->dwfl, pid, true) != 0) {
    throw AttachError(fmt::format("the memory map of process {} cannot be read: {}", pid, dwfl_errmsg(-1)));
  }
}

SafePlace::~SafePlace() = default;

SafePlace::Verdict SafePlace::look_at(const Tracee& thread) const {
  Walk walk{state_->dwfl, 0, thread.in_system_call()};
  dwfl_getthread_frames(state_->dwfl, thread.tid(), visit, &walk);
  return walk.frames > 0 ? walk.verdict : Verdict{};
}

}  // namespace memray::attach
