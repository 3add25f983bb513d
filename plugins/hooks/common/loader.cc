// dlopen, dlclose, dlsym: when the set of loaded objects changes.
//
// dlopen is a function that looks at who calls it: a name is searched for in the RPATH and RUNPATH of the calling
// object, $ORIGIN in it means that object's folder, and the new library is put into that object's namespace. Called
// from a hook, it would do all this for memray. There are two ways to get it right. If nothing of the above can matter,
// which is so for nearly all calls (a path that names a file; a name, from an object with no search path of its own),
// the hook calls dlopen and looks at what has been loaded as soon as it returns. In all other cases the hook jumps to
// the real dlopen with the stack as it found it, so the caller is the caller, and what is new is looked at when the
// program next asks for a symbol with dlsym, which is how it gets to use what it has loaded. dlsym depends on its
// caller too (RTLD_NEXT), and is always jumped to.
//
// With the plt backend, what the constructors of a new library allocate is not seen: they run before dlopen returns.
// The preload backend has no such gap.
#include "objects.h"
#include "real.h"
#include "slots.h"
#include "unseen.h"
#include "wrappers.h"

#include <dlfcn.h>
#include <errno.h>

namespace memray::hooks {

namespace {

void objects_may_have_changed() {
  const int saved = errno;
  if (state.recorder && follow_objects()) {
    warn_of_unseen_allocators();
    state.recorder->objects_changed();
  }
  errno = saved;
}

struct Caller {
  std::uintptr_t address;
  bool found = false;
  bool has_search_path = false;  // the calling object
  bool inherited_paths = false;  // DT_RPATH of an object other than the program is passed on to what it loads
  bool first = true;
};

int examine(dl_phdr_info* info, std::size_t, void* to) {
  Caller& caller = *static_cast<Caller*>(to);
  bool calls = false;
  const ElfW(Dyn)* dynamic = nullptr;
  for (std::size_t i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = info->dlpi_phdr[i];
    const std::uintptr_t start = info->dlpi_addr + segment.p_vaddr;
    if (segment.p_type == PT_LOAD && caller.address - start < segment.p_memsz) calls = true;
    if (segment.p_type == PT_DYNAMIC) dynamic = reinterpret_cast<const ElfW(Dyn)*>(start);
  }
  const elf::Object object = elf::read(info->dlpi_addr, dynamic);
  if (calls) {
    caller.found = true;
    caller.has_search_path = object.runpath || object.rpath;
  }
  if (!caller.first && object.rpath && !object.runpath) caller.inherited_paths = true;
  caller.first = false;
  return 0;
}

bool depends_on_caller(const char* path, const void* return_address) {
  bool has_slash = false;
  for (const char* c = path; *c != '\0'; ++c) {
    if (*c == '$') return true;
    if (*c == '/') has_slash = true;
  }
  Caller caller{reinterpret_cast<std::uintptr_t>(return_address)};
  dl_iterate_phdr(examine, &caller);
  return !caller.found || caller.inherited_paths || (!has_slash && caller.has_search_path);
}

}  // namespace

void* hook_dlopen(const char* path, int mode) {
  const auto function = real<decltype(hook_dlopen)>(Function::dlopen);
  if (!state.recorder || !path || depends_on_caller(path, __builtin_return_address(0))) return function(path, mode);
  void* handle = function(path, mode);
  if (handle) objects_may_have_changed();
  return handle;
}

int hook_dlclose(void* handle) {
  const int result = real<decltype(hook_dlclose)>(Function::dlclose)(handle);
  if (result == 0) objects_may_have_changed();
  return result;
}

void* hook_dlsym(void* handle, const char* name) {
  const auto function = real<decltype(hook_dlsym)>(Function::dlsym);
  objects_may_have_changed();
  return function(handle, name);
}

}  // namespace memray::hooks
