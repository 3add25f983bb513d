// exec: a program that replaces itself by another goes on being recorded. posix_spawn: so does a child, where children
// are.
//
// All forms end in one that takes the environment as an argument, because the recorder changes it. A child made by
// vfork shares our memory and its parent's stack frames are waiting, so nothing is written but stack below the
// caller's; the recorder gives such a child, as any process that is not recorded, the environment unchanged.
#include "real.h"
#include "syscalls.h"
#include "wrappers.h"

#include <alloca.h>
#include <stdarg.h>
#include <unistd.h>

namespace memray::hooks {

namespace {

constexpr std::size_t kMostOnStack = 256 * 1024;

// Calls `use` with the environment that `change`, a function of the recorder's, makes of `envp`. `told`: the recorder
// is told before and after.
template <typename Use>
[[gnu::noinline]] int with_changed(char* const* envp, decltype(memray_recorder::exec_environment) change, bool told,
                                   Use use) {
  const auto bytes = reinterpret_cast<std::size_t>(change(envp, nullptr, 0));
  if (bytes == 0) return use(envp);
  const bool on_stack = bytes <= kMostOnStack;
  void* storage = on_stack ? alloca(bytes) : sys::map(bytes);
  char* const* environment = storage ? change(envp, storage, bytes) : envp;
  if (told) state.recorder->executing();
  const int result = use(environment);
  if (told) state.recorder->exec_failed();
  if (!on_stack && storage) sys::unmap(storage, bytes);
  return result;
}

template <typename Exec>
int with_environment(char* const* envp, Exec exec) {
  const memray_recorder* recorder = state.recorder;
  return recorder ? with_changed(envp, recorder->exec_environment, true, exec) : exec(envp);
}

template <typename Spawn>
int with_environment_of_child(char* const* envp, Spawn spawn) {
  const memray_recorder* recorder = state.recorder;
  return recorder ? with_changed(envp, recorder->spawn_environment, false, spawn) : spawn(envp);
}

int execve_recorded(const char* path, char* const* argv, char* const* envp) {
  const auto function = real<decltype(hook_execve)>(Function::execve);
  return with_environment(envp, [=](char* const* environment) { return function(path, argv, environment); });
}

int execvpe_recorded(const char* file, char* const* argv, char* const* envp) {
  const auto function = real<decltype(hook_execvpe)>(Function::execvpe);
  return with_environment(envp, [=](char* const* environment) { return function(file, argv, environment); });
}

std::size_t count_arguments(va_list list) {
  std::size_t count = 1;
  while (va_arg(list, const char*)) ++count;
  return count;
}

void copy_arguments(char** argv, const char* first, va_list list) {
  *argv = const_cast<char*>(first);
  while (*argv) *++argv = va_arg(list, char*);
}

// The arguments of a variadic exec as an array on the caller's stack, its end marked by a null pointer. `list` is left
// behind that, where execle has its environment.
#define MEMRAY_ARGUMENTS(argv, first)                                     \
  va_list list;                                                           \
  va_start(list, first);                                                  \
  const std::size_t count = (first) ? count_arguments(list) : 0;          \
  va_end(list);                                                           \
  char** argv = static_cast<char**>(alloca((count + 1) * sizeof(char*))); \
  va_start(list, first);                                                  \
  copy_arguments(argv, first, list)

}  // namespace

int hook_execve(const char* path, char* const* argv, char* const* envp) { return execve_recorded(path, argv, envp); }
int hook_execv(const char* path, char* const* argv) { return execve_recorded(path, argv, environ); }
int hook_execvp(const char* file, char* const* argv) { return execvpe_recorded(file, argv, environ); }
int hook_execvpe(const char* file, char* const* argv, char* const* envp) { return execvpe_recorded(file, argv, envp); }

int hook_execl(const char* path, const char* argument, ...) {
  MEMRAY_ARGUMENTS(argv, argument);
  va_end(list);
  return execve_recorded(path, argv, environ);
}

int hook_execlp(const char* file, const char* argument, ...) {
  MEMRAY_ARGUMENTS(argv, argument);
  va_end(list);
  return execvpe_recorded(file, argv, environ);
}

int hook_execle(const char* path, const char* argument, ...) {
  MEMRAY_ARGUMENTS(argv, argument);
  char* const* envp = va_arg(list, char* const*);
  va_end(list);
  return execve_recorded(path, argv, envp);
}

int hook_fexecve(int fd, char* const* argv, char* const* envp) {
  const auto function = real<decltype(hook_fexecve)>(Function::fexecve);
  return with_environment(envp, [=](char* const* environment) { return function(fd, argv, environment); });
}

int hook_execveat(int directory, const char* path, char* const* argv, char* const* envp, int flags) {
  const auto function = real<decltype(hook_execveat)>(Function::execveat);
  return with_environment(
      envp, [=](char* const* environment) { return function(directory, path, argv, environment, flags); });
}

// posix_spawn calls exec inside libc, where nothing passes through a hook.
int hook_posix_spawn(pid_t* pid, const char* path, const void* actions, const void* attributes, char* const* argv,
                     char* const* envp) {
  const auto function = real<decltype(hook_posix_spawn)>(Function::posix_spawn);
  return with_environment_of_child(
      envp, [=](char* const* environment) { return function(pid, path, actions, attributes, argv, environment); });
}

int hook_posix_spawnp(pid_t* pid, const char* file, const void* actions, const void* attributes, char* const* argv,
                      char* const* envp) {
  const auto function = real<decltype(hook_posix_spawnp)>(Function::posix_spawnp);
  return with_environment_of_child(
      envp, [=](char* const* environment) { return function(pid, file, actions, attributes, argv, environment); });
}

}  // namespace memray::hooks
