// Entering a session in a process that has been running for a while, and leaving it again.
//
// Here libc is alive, so plugins are opened with dlopen. Three forms say which: a path; "fd:N", an open file, for
// programs that see another file system than the one that memray is installed in; "loaded:NAME", one that an earlier
// session has brought. Plugins are never closed again: a thread may be in the middle of one of their functions for as
// long as it likes, and function pointers into them may have been copied anywhere.
#include "syscalls.h"
#include "thread.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

namespace memray::recorder {

namespace {

constexpr std::uint32_t kMaxLoaded = 32;
const memray_plugin_descriptor* loaded[kMaxLoaded];
std::uint32_t loaded_count = 0;
bool stuck = false;  // a thread did not come out of an earlier session

char refusal[512];

// The dynamic loader knows files by the path that they were opened with, and numbers of descriptors are used again; so
// each gets a path of its own, longer by "./" than the one before.
void path_of_descriptor(char* path, std::size_t size, const char* number) {
  std::size_t used = static_cast<std::size_t>(std::snprintf(path, size, "/proc/self/fd/./"));
  for (std::uint32_t i = 0; i <= loaded_count && used + 16 < size; ++i) {
    path[used++] = '.';
    path[used++] = '/';
  }
  std::snprintf(path + used, size - used, "%s", number);
}

const memray_plugin_descriptor* find_loaded(const char* name, memray_plugin_kind kind) {
  for (std::uint32_t i = 0; i < loaded_count; ++i) {
    if (loaded[i]->kind == static_cast<std::uint32_t>(kind) && std::strcmp(loaded[i]->name, name) == 0)
      return loaded[i];
  }
  return nullptr;
}

const memray_plugin_descriptor* open_file(const char* file, memray_plugin_kind kind) {
  char path[256];
  if (std::strncmp(file, "fd:", 3) == 0) {
    path_of_descriptor(path, sizeof path, file + 3);
    file = path;
  }
  void* const handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    const char* why = dlerror();
    std::snprintf(refusal, sizeof refusal, "a plugin cannot be loaded into the program: %.400s", why ? why : file);
    return nullptr;
  }
  const auto* plugin = checked_plugin(dlsym(handle, "memray_plugin"), kind);
  if (!plugin) std::snprintf(refusal, sizeof refusal, "%.400s is no plugin for this memray", file);
  return plugin;
}

// NULL: `refusal` says why.
const memray_plugin_descriptor* obtain(const char* file, memray_plugin_kind kind, bool* fresh) {
  *fresh = false;
  if (std::strncmp(file, "loaded:", 7) == 0) {
    const auto* plugin = find_loaded(file + 7, kind);
    if (!plugin)
      std::snprintf(refusal, sizeof refusal, "the plugin %s of an earlier recording is not usable", file + 7);
    return plugin;
  }
  const auto* plugin = open_file(file, kind);
  if (!plugin) return nullptr;
  for (std::uint32_t i = 0; i < loaded_count; ++i) {
    if (loaded[i] == plugin) return plugin;
  }
  *fresh = true;
  return plugin;
}

const char* load(std::uint32_t file, memray_plugin_kind kind) {
  bool fresh;
  const auto* plugin = obtain(text(file), kind, &fresh);
  if (!plugin) return refusal;
  if (fresh && loaded_count == kMaxLoaded) return "too many plugins";
  const char* why = kind == MEMRAY_PLUGIN_HOOKS ? use_hooks(*plugin, fresh) : use_unwinder(*plugin, fresh);
  if (!why && fresh) loaded[loaded_count++] = plugin;
  return why;
}

const char* load_all() {
  const session::Control& control = *process.control;
  for (std::uint32_t i = 0; i < control.unwinders_count; ++i) {
    if (const char* why = load(control.unwinders[i], MEMRAY_PLUGIN_UNWINDER)) return why;
  }
  for (std::uint32_t i = 0; i < control.hooks_count; ++i) {
    if (const char* why = load(control.hooks[i], MEMRAY_PLUGIN_HOOKS)) return why;
  }
  return install_hooks();
}

void forget_plugins() {
  process.hooks_count = 0;
  for (auto& unwinder : process.unwinders) unwinder = nullptr;
}

// `why` may lie in what is about to be unmapped.
const char* refuse(const char* why) {
  if (why != refusal) std::snprintf(refusal, sizeof refusal, "%s", why);
  leave();
  return refusal;
}

void follow_forks_once() {
  static bool followed = false;
  if (!followed) follow_forks();
  followed = true;
}

}  // namespace

const char* join(int fd) {
  if (process.session) return "this process is already being recorded by memray";
  if (stuck) return "a thread of this process has not come out of an earlier recording";
  void* const session = sys::map_shared(fd, session::kSessionBytes);
  if (!session) return "the session cannot be mapped";
  process.pid = sys::getpid();
  prepare_barrier();
  if (!use_session(session)) {
    sys::unmap(session, session::kSessionBytes);
    return "the recorder that is loaded in this process belongs to another version of memray";
  }
  if (!take_image(0)) return refuse("the session is full");
  if (const char* why = load_all()) return refuse(why);
  process.image->state.store(session::ImageState::attached, std::memory_order_release);
  follow_forks_once();
  return nullptr;
}

void leave() {
  void* const session = process.session;
  if (!session) return;
  auto& control = *static_cast<session::Control*>(session);
  if (*process.recording) {
    stop_recording();
  } else {
    uninstall_hooks();
  }
  process.session = nullptr;
  process.epoch.fetch_add(1, std::memory_order_seq_cst);
  stuck = !wait_for_threads();
  if (!stuck) release_threads();
  forget_plugins();
  control.left.store(1, std::memory_order_release);
  sys::futex_wake(&control.requested);
  if (!stuck) sys::unmap(session, session::kSessionBytes);
}

void leave_session_of_parent() {
  process.pid = sys::getpid();
  if (!process.session) return;
  uninstall_hooks();
  forget_session_of_parent();
}

void forget_session_of_parent() {
  void* const session = process.session;
  process.session = nullptr;
  process.started = false;
  process.epoch.fetch_add(1, std::memory_order_seq_cst);
  reset_threads_in_child();
  release_threads();
  forget_plugins();
  sys::unmap(session, session::kSessionBytes);
}

}  // namespace memray::recorder

// What an injected call runs. `why` has room for 512 bytes. Returns 0, or -1 with a text.
extern "C" __attribute__((visibility("default"))) int memray_join(int fd, char* why) {
  using namespace memray::recorder;
  process.interrupting = true;
  const char* refused = join(fd);
  if (refused) std::snprintf(why, 512, "%s", refused);
  if (!refused) start_recording();
  process.interrupting = false;
  return refused ? -1 : 0;
}

extern "C" __attribute__((visibility("default"))) int memray_leave(int, char*) {
  using namespace memray::recorder;
  process.interrupting = true;
  leave();
  process.interrupting = false;
  return 0;
}
