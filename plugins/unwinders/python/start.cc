// CPython raises an audit event just before it runs what it was told to run: a file, a module, a command, its standard
// input. A C audit hook may be added before the interpreter is initialised, from outside, so this is how the start of
// the script is found, on every version, without a patched interpreter or a wrapper script.
//
// Once it has told us, the hook must go: as long as there is one, CPython builds a tuple of arguments for every event,
// allocations that the program would not have made. There is no API for that. The hooks are a linked list whose head is
// somewhere in `_PyRuntime`; it is found by comparing `_PyRuntime` before and after adding ours. The entry itself is
// left alone, since CPython may be iterating over the list.
//
// The end: a callback is registered with `atexit` before the script can register any, so it runs after all of them, and
// before the interpreter starts to tear itself down. What is alive then, the program leaked.
#include "start.h"

#include "runtime.h"
#include "verify.h"

#include <unistd.h>
#include <atomic>
#include <cstdlib>
#include <cstring>

namespace memray::python {

namespace {

// CPython's _Py_AuditHookEntry.
struct HookEntry {
  HookEntry* next;
  AuditHook hook;
  void* data;
};

const Runtime* interpreter = nullptr;
HookEntry** hooks_head = nullptr;
HookEntry* our_entry = nullptr;
bool started = false;
std::atomic<bool> waiting{false};
pid_t process = 0;
char hook_data;  // its address tells our entry from others

void unlink_hook() {
  if (!hooks_head) return;
  for (HookEntry** link = hooks_head; *link; link = &(*link)->next) {
    if (*link == our_entry) {
      *link = our_entry->next;
      return;
    }
  }
}

Object* script_ended(Object*, Object*) {
  if (getpid() == process) host->stop_recording();
  auto* none = reinterpret_cast<Object*>(interpreter->none.address);
  interpreter->api.increment(none);
  return none;
}

MethodDefinition at_exit = {"memray_stop", script_ended, kNoArguments, nullptr};

void register_at_exit(const Api& api) {
  Object* const module = api.import_module("atexit");
  Object* const add = module ? api.attribute(module, "register") : nullptr;
  Object* const callback = add ? api.new_function(&at_exit, nullptr, nullptr) : nullptr;
  Object* const result = callback ? api.call(add, callback, nullptr) : nullptr;
  for (Object* object : {result, callback, add, module}) {
    if (object) api.decrement(object);
  }
  api.clear_error();
}

// CPython's name, in words: "pymalloc", "malloc", "pymalloc debug", "mimalloc", ...
void describe_allocator(const char* name) {
  char text[32];
  std::size_t size = 0;
  for (; name[size] != '\0' && size + 1 < sizeof text; ++size) text[size] = name[size] == '_' ? ' ' : name[size];
  text[size] = '\0';
  host->describe("python_allocator", text);
}

const char* allocator_in_use(const Api& api) {
  const char* name = api.allocator_name ? api.allocator_name() : nullptr;
  return name ? name : "unknown";
}

void describe_text(const Api& api, const char* key, Object* text) {
  if (const char* bytes = text ? api.to_utf8(text) : nullptr) host->describe(key, bytes);
  api.clear_error();
}

bool ends_with(const char* text, const char* suffix) {
  const std::size_t size = std::strlen(text), tail = std::strlen(suffix);
  return size >= tail && std::strcmp(text + size - tail, suffix) == 0;
}

// The folders of sys.path that hold installed packages, separated by colons.
void describe_site_packages(const Api& api) {
  Object* const path = api.sys_object("path");
  const std::int64_t count = path ? api.list_size(path) : 0;
  char folders[4096];
  std::size_t used = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    Object* const item = api.list_item(path, i);
    const char* folder = item ? api.to_utf8(item) : nullptr;
    if (!folder || (!ends_with(folder, "/site-packages") && !ends_with(folder, "/dist-packages"))) continue;
    const std::size_t size = std::strlen(folder);
    if (used + size + 2 > sizeof folders) break;
    if (used != 0) folders[used++] = ':';
    std::memcpy(folders + used, folder, size);
    used += size;
  }
  api.clear_error();
  folders[used] = '\0';
  if (used != 0) host->describe("python_site_packages", folders);
}

void describe(const Api& api) {
  describe_allocator(allocator_in_use(api));
  describe_text(api, "python_executable", api.sys_object("executable"));
  describe_text(api, "python_prefix", api.sys_object("prefix"));
  describe_text(api, "python_base_prefix", api.sys_object("base_prefix"));
  describe_text(api, "python_stdlib", api.sys_object("_stdlib_dir"));
  describe_site_packages(api);
}

void describe_undisturbed(const Api& api) {
  Object *type = nullptr, *value = nullptr, *traceback = nullptr;
  api.fetch_error(&type, &value, &traceback);
  describe(api);
  api.restore_error(type, value, traceback);
}

// Whoever ends the recording waits for threads that are quiet.
int describe_later(void*) {
  const Quiet quiet;
  const Runtime* runtime = active_runtime();
  if (waiting.exchange(false) && runtime) describe_undisturbed(runtime->api);
  return 0;
}

// Before the interpreter has chosen one.
const char* allocator_to_come() {
  const char* wanted = std::getenv("PYTHONMALLOC");
  if (!wanted || *wanted == '\0' || std::strcmp(wanted, "default") == 0) return "pymalloc";
  return std::strcmp(wanted, "debug") == 0 ? "pymalloc_debug" : wanted;
}

void script_starts() {
  unlink_hook();
  const Api& api = interpreter->api;
  Object *type = nullptr, *value = nullptr, *traceback = nullptr;
  api.fetch_error(&type, &value, &traceback);
  describe(api);
  register_at_exit(api);
  const bool fits = !active_runtime() || layout_fits(*interpreter);
  api.restore_error(type, value, traceback);
  if (!fits) {
    give_up("this build of Python lays out its frames differently than expected: recording without Python stacks");
  }
  host->start_recording();
}

int audit(const char* event, Object*, void*) {
  constexpr const char* kStarts[] = {"cpython.run_file", "cpython.run_module", "cpython.run_command",
                                     "cpython.run_stdin"};
  if (started || std::strncmp(event, "cpython.run_", 12) != 0) return 0;
  for (const char* start : kStarts) {
    if (std::strcmp(event, start) != 0) continue;
    started = true;
    process = getpid();
    script_starts();
    return 0;
  }
  return 0;
}

// The word of `_PyRuntime` that now points to our entry, of those that have changed.
void find_hooks_head(const Symbol& runtime, const std::uintptr_t* before, std::size_t words) {
  const auto* after = reinterpret_cast<const std::uintptr_t*>(runtime.address);
  for (std::size_t i = 0; i < words; ++i) {
    if (after[i] == before[i] || after[i] % alignof(HookEntry) != 0 || after[i] < 4096) continue;
    auto* entry = reinterpret_cast<HookEntry*>(after[i]);
    if (entry->next != nullptr || entry->hook != audit || entry->data != &hook_data) continue;
    our_entry = entry;
    hooks_head = reinterpret_cast<HookEntry**>(runtime.address + i * sizeof(std::uintptr_t));
    return;
  }
}

bool add_hook(const Runtime& runtime) {
  // The head is among the first fields; what follows are hundreds of kilobytes of static objects.
  constexpr std::size_t kSearched = 64 << 10;
  const std::size_t bytes = (runtime.runtime.size < kSearched ? runtime.runtime.size : kSearched) & ~std::size_t{7};
  void* const before = host->map(kSearched);
  if (before) std::memcpy(before, reinterpret_cast<const void*>(runtime.runtime.address), bytes);
  const bool added = runtime.api.add_audit_hook(audit, &hook_data) == 0;
  if (before) {
    if (added) find_hooks_head(runtime.runtime, static_cast<const std::uintptr_t*>(before), bytes / 8);
    host->unmap(before, kSearched);
  }
  return added;
}

}  // namespace

bool start_with_script() {
  const Runtime* runtime = find_interpreter();
  if (!runtime) return false;
  // A program that merely embeds Python (a debugger, an editor) runs no script in the sense meant here.
  if (!program_mentions("Py_BytesMain") && !program_mentions("Py_Main") && !program_mentions("Py_RunMain"))
    return false;
  interpreter = runtime;
  return add_hook(*runtime);
}

void describe_interpreter(const Runtime& runtime) {
  const Api& api = runtime.api;
  if (!runtime.has_api || !api.is_initialized()) return describe_allocator(allocator_to_come());
  if (holds_gil(runtime)) return describe_undisturbed(api);
  if (api.allocator_name) describe_allocator(allocator_in_use(api));
  waiting = true;
  api.add_pending_call(describe_later, nullptr);
}

void forget_to_describe() { waiting = false; }

}  // namespace memray::python
