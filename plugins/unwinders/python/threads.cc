// What a thread is called stands in an attribute of its Thread object, which CPython (before 3.14) tells nobody.
//
// But each thread that runs a Thread object calls `_thread.get_native_id` first thing, from a method of that object,
// and
// `_thread.get_ident` as its last, from another. Both are entries of a table of C functions, and the entry can be
// exchanged: our function calls the original, then looks into the frame that called it. If that is a method of the
// right name in threading.py, its first local is the Thread, and the thread that is running is the one of that name.
// This happens where any Python code may run, with the GIL held. It makes no object, so the program's allocations stay
// what they are, and costs 1 to 2 ns for those who call get_ident for reasons of their own.
//
// For threads that are there when recording starts, and for renamings when it stops, `threading._active` lists all.
//
// All this takes the GIL. Where recording starts without it (before the interpreter does, or from outside), CPython is
// left a pending call: at once, or when the first code of threading.py is seen.
#include "threads.h"

#include "code.h"
#include "frame.h"

#include <unistd.h>

#include <atomic>
#include <string_view>

namespace memray::python {

namespace {

// What is told of names is heard even so.
void name_thread(std::uint32_t os_tid, const char* name, std::size_t size) {
  const std::uint32_t before = host->set_quiet(0);
  host->name_thread(os_tid, name, size);
  host->set_quiet(before);
}

using namespace std::literals;

constexpr std::string_view kMethods[] = {"_set_native_id", "_delete", "_bootstrap_inner"};

std::atomic<bool> watching{false};
std::atomic<bool> waiting{false};
Object* modules = nullptr;  // sys.modules
Object* threading_text = nullptr;
Object* name_text = nullptr;

bool is_main_interpreter(const Api& api) { return api.interpreter() == api.main_interpreter(); }

std::string_view view(const Text& text) { return {text.bytes, text.size}; }

bool is_threading(const char* file, std::uint32_t size) {
  return std::string_view(file, size).ends_with("threading.py"sv);
}

// The Thread whose method called us, or nullptr.
Object* calling_thread(const Runtime& runtime) {
  const Layout& layout = runtime.layout;
  const std::uintptr_t frame = top_frame(runtime);
  if (frame == 0) return nullptr;
  const std::uintptr_t code = executable(layout, frame) & layout.executable_mask;
  const auto name = code != 0 ? load<std::uintptr_t>(code + layout.name) : 0;
  const auto size = name != 0 ? load<std::uint64_t>(name + layout.text_length) : 0;
  for (const std::string_view method : kMethods) {
    if (method.size() != size) continue;
    memray_code description;
    if (!read_code(runtime, code, {}, description)) return nullptr;
    const bool is_it = std::string_view(description.name, description.name_size) == method &&
                       is_threading(description.file, description.file_size);
    return is_it ? reinterpret_cast<Object*>(load<std::uintptr_t>(frame + layout.locals) & layout.executable_mask)
                 : nullptr;
  }
  return nullptr;
}

// Threads that threading knows nothing of get the name "Dummy-1" when they ask for their Thread, and the first thread
// of a sub-interpreter that of the main one: what the kernel calls them is better, and so is an earlier name.
bool says_something(const Api& api, std::string_view name) {
  return !name.starts_with("Dummy-"sv) && (name != "MainThread"sv || is_main_interpreter(api));
}

void tell_name(const Runtime& runtime, Object* thread, std::uint32_t os_tid) {
  const Api& api = runtime.api;
  // An interned string belongs to its interpreter.
  Object* const name = is_main_interpreter(api) ? api.own_attribute(thread, name_text) : api.attribute(thread, "_name");
  if (!name) return api.clear_error();
  char wide[260];
  TextBuffer buffer{wide, sizeof wide};
  const std::string_view text = view(read_text(runtime, reinterpret_cast<std::uintptr_t>(name), buffer));
  if (says_something(api, text)) name_thread(os_tid, text.data(), text.size());
  api.decrement(name);
}

void tell_own_name() {
  if (!watching.load(std::memory_order_relaxed)) return;
  const Runtime* runtime = active_runtime();
  Object* const thread = runtime ? calling_thread(*runtime) : nullptr;
  if (thread) tell_name(*runtime, thread, 0);
}

// An entry of _thread's table of functions.
class Exchange {
 public:
  constexpr Exchange(const char* name, CFunction ours) : name_(name), ours_(ours) {}

  void begin(const Runtime& runtime, Object* module) {
    Object* const function = runtime.api.attribute(module, name_);
    if (!function) return runtime.api.clear_error();
    // A built-in function is its header and a pointer to its definition.
    auto* entry = load<MethodDefinition*>(reinterpret_cast<std::uintptr_t>(function) + runtime.layout.object_size);
    if (entry && std::string_view(entry->name) == name_ && entry->flags == kNoArguments && entry->function != ours_) {
      original_ = entry->function;
      __atomic_store_n(&entry->function, ours_, __ATOMIC_RELEASE);
      entry_ = entry;
    }
    runtime.api.decrement(function);
  }
  void end() {
    CFunction ours = ours_;
    if (entry_)
      __atomic_compare_exchange_n(&entry_->function, &ours, original_, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
  }
  Object* call_original(Object* self, Object* arguments) const { return original_(self, arguments); }

 private:
  const char* name_;
  CFunction ours_;
  CFunction original_ = nullptr;
  MethodDefinition* entry_ = nullptr;
};

Object* get_native_id(Object* self, Object* arguments);
Object* get_ident(Object* self, Object* arguments);
Exchange native_id{"get_native_id", get_native_id};
Exchange ident{"get_ident", get_ident};

Object* get_native_id(Object* self, Object* arguments) {
  tell_own_name();
  return native_id.call_original(self, arguments);
}
Object* get_ident(Object* self, Object* arguments) {
  tell_own_name();
  return ident.call_original(self, arguments);
}

std::uint32_t os_tid_of(const Api& api, Object* thread) {
  Object* const number = api.attribute(thread, "_native_id");
  const long value = number ? api.to_long(number) : 0;
  if (number) api.decrement(number);
  api.clear_error();
  return value > 0 ? static_cast<std::uint32_t>(value) : 0;
}

void tell_active_names(const Runtime& runtime) {
  const Api& api = runtime.api;
  Object* const threading = modules ? api.get_item(modules, threading_text) : nullptr;
  Object* const active = threading ? api.attribute(threading, "_active") : nullptr;
  Object* const threads = active ? api.values(active) : nullptr;
  for (std::int64_t i = threads ? api.list_size(threads) : 0; i > 0; --i) {
    Object* const thread = api.list_item(threads, i - 1);
    const std::uint32_t os_tid = os_tid_of(api, thread);
    if (os_tid != 0) tell_name(runtime, thread, os_tid);
  }
  for (Object* object : {threads, active}) {
    if (object) api.decrement(object);
  }
  api.clear_error();
}

void prepare(const Api& api) {
  if (name_text) return;
  modules = api.modules();
  threading_text = api.intern("threading");
  name_text = api.intern("_name");
}

void begin(const Runtime& runtime) {
  const Api& api = runtime.api;
  if (!is_main_interpreter(api)) return;
  const Quiet quiet;
  Object *type = nullptr, *value = nullptr, *traceback = nullptr;
  api.fetch_error(&type, &value, &traceback);
  prepare(api);
  if (Object* const module = name_text && threading_text ? api.import_module("_thread") : nullptr) {
    native_id.begin(runtime, module);
    ident.begin(runtime, module);
    api.decrement(module);
    watching = true;
    // Before threading is imported, there is no Thread of this name, but there will be.
    if (getpid() == gettid()) name_thread(0, "MainThread", 10);
    tell_active_names(runtime);
  }
  api.clear_error();
  api.restore_error(type, value, traceback);
}

int begin_later(void*) {
  const Runtime* runtime = active_runtime();
  if (runtime && waiting.exchange(false)) begin(*runtime);
  return 0;
}

}  // namespace

void watch_threads(const Runtime& runtime) {
  if (!runtime.has_api) return;
  if (holds_gil(runtime)) return begin(runtime);
  waiting = true;
  if (runtime.api.is_initialized()) runtime.api.add_pending_call(begin_later, nullptr);
}

void file_noticed(const Runtime& runtime, const char* file, std::uint32_t size) {
  if (!waiting.load(std::memory_order_relaxed) || !is_threading(file, size)) return;
  runtime.api.add_pending_call(begin_later, nullptr);
}

void unwatch_threads(const Runtime& runtime) {
  waiting = false;
  if (!watching.exchange(false)) return;
  native_id.end();
  ident.end();
  if (holds_gil(runtime) && is_main_interpreter(runtime.api)) tell_active_names(runtime);
}

}  // namespace memray::python
