// exec of the recorded process: the new image is recorded too, so it gets back the variables that attach.cc removed.
#include "process.h"
#include "syscalls.h"

namespace memray::recorder {

namespace {

constexpr char kPreload[] = "LD_PRELOAD=";

constexpr char kSession[] = "MEMRAY_SESSION=";

bool starts_with(const char* variable, const char* name) {
  for (; *name != '\0'; ++name, ++variable) {
    if (*variable != *name) return false;
  }
  return true;
}

std::size_t length(const char* s) {
  std::size_t n = 0;
  while (s[n] != '\0') ++n;
  return n;
}

char* append(char* to, const char* s) {
  while (*s != '\0') *to++ = *s++;
  return to;
}

}  // namespace

namespace {

// The storage holds the pointer array, then the texts of LD_PRELOAD and MEMRAY_SESSION.
char* const* environment(char* const* envp, void* storage, std::size_t storage_size) {
  // One that has nothing to find its way back by ends its recording.
  if (*text(process.control->session_variable) == '\0') return storage ? envp : reinterpret_cast<char* const*>(1);
  // A vfork child comes here too, in its parent's memory: nothing but `storage` may be written.
  static char* const nothing[] = {nullptr};
  if (!envp) envp = nothing;
  const char* ours = text(process.control->preload);
  const char* theirs = "";
  std::size_t count = 0;
  for (; envp[count]; ++count) {
    if (starts_with(envp[count], kSession)) return storage ? envp : nullptr;  // followed: it is all there
    if (starts_with(envp[count], kPreload)) theirs = envp[count] + sizeof kPreload - 1;
  }
  const std::size_t array = (count + 3) * sizeof(char*);
  const char* session = text(process.control->session_variable);
  const std::size_t needed = array + sizeof kPreload + length(ours) + 1 + length(theirs) + length(session) + 1;
  if (!storage) return reinterpret_cast<char* const*>(needed);
  if (storage_size < needed) return envp;

  auto** variables = static_cast<char**>(storage);
  char* preload = static_cast<char*>(storage) + array;
  char* end = append(append(preload, kPreload), ours);
  if (*theirs != '\0') end = append(append(end, ":"), theirs);
  *end++ = '\0';
  char* variable = end;
  *append(end, session) = '\0';
  std::size_t n = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (!starts_with(envp[i], kPreload)) variables[n++] = envp[i];
  }
  variables[n++] = preload;
  variables[n++] = variable;
  variables[n] = nullptr;
  return variables;
}

template <typename IsMeant>
char* const* environment_if(IsMeant is_meant, char* const* envp, void* storage, std::size_t storage_size) {
  process.inside.fetch_add(1, std::memory_order_seq_cst);
  char* const* result = storage ? envp : nullptr;
  if (process.session && is_meant()) result = environment(envp, storage, storage_size);
  process.inside.fetch_sub(1, std::memory_order_release);
  return result;
}

}  // namespace

char* const* exec_environment(char* const* envp, void* storage, std::size_t storage_size) {
  const auto is_meant = [] { return process.control->follow != 0 || sys::getpid() == process.pid; };
  return environment_if(is_meant, envp, storage, storage_size);
}

char* const* spawn_environment(char* const* envp, void* storage, std::size_t storage_size) {
  const auto is_meant = [] { return process.control->follow != 0 && *text(process.control->session_variable) != '\0'; };
  return environment_if(is_meant, envp, storage, storage_size);
}

}  // namespace memray::recorder
