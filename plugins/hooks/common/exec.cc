// exec: a program that replaces itself by another goes on being recorded.
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

template <typename Exec>
[[gnu::noinline]] int with_environment(char* const* envp, Exec exec) {
  const memray_recorder* recorder = state.recorder;
  if (!recorder) return exec(envp);
  const auto bytes = reinterpret_cast<std::size_t>(recorder->exec_environment(envp, nullptr, 0));
  if (bytes == 0) return exec(envp);

  const bool on_stack = bytes <= kMostOnStack;
  void* storage = on_stack ? alloca(bytes) : sys::map(bytes);
  char* const* environment = storage ? recorder->exec_environment(envp, storage, bytes) : envp;
  recorder->executing();
  const int result = exec(environment);
  recorder->exec_failed();
  if (!on_stack && storage) sys::unmap(storage, bytes);
  return result;
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

}  // namespace memray::hooks
