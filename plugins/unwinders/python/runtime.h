// The CPython in this process: its functions, its types and its layout.
#pragma once

#include "elf.h"
#include "layout.h"

#include <memray/unwinder.h>

#include <atomic>
#include <cstdint>

namespace memray::python {

// A PyObject*, never looked into through this name.
struct Object;
using CFunction = Object* (*)(Object* self, Object* arguments);

// CPython's PyMethodDef.
struct MethodDefinition {
  const char* name;
  CFunction function;
  int flags;
  const char* documentation;
};
inline constexpr int kNoArguments = 4;  // METH_NOARGS

using AuditHook = int (*)(const char* event, Object* arguments, void* data);

// Functions of the public C API, used in the few moments when we hold the GIL and nothing is being recorded.
struct Api {
  int (*is_initialized)();
  int (*add_pending_call)(int (*function)(void*), void* data);
  int (*add_audit_hook)(AuditHook hook, void* data);
  void (*fetch_error)(Object** type, Object** value, Object** traceback);
  void (*restore_error)(Object* type, Object* value, Object* traceback);
  void (*clear_error)();
  void (*increment)(Object*);
  void (*decrement)(Object*);
  Object* (*import_module)(const char* name);
  Object* (*modules)();  // borrowed
  Object* (*attribute)(Object*, const char* name);
  Object* (*own_attribute)(Object*, Object* name);
  Object* (*intern)(const char* text);
  Object* (*call)(Object* callable, ...);
  Object* (*new_function)(MethodDefinition*, Object* self, Object* module);
  Object* (*new_dict)();
  int (*set_item)(Object* dict, const char* key, Object* value);
  Object* (*get_item)(Object* dict, Object* key);  // borrowed; no error is set
  Object* (*values)(Object* dict);                 // a list
  Object* (*compile)(const char* text, const char* file, int start);
  Object* (*evaluate)(Object* code, Object* globals, Object* locals);
  Object* (*current_frame)();  // borrowed
  Object* (*code_of_frame)(Object* frame);
  long (*to_long)(Object*);
  Object* (*sys_object)(const char* name);  // borrowed
  const char* (*to_utf8)(Object* text);
  std::int64_t (*list_size)(Object* list);
  Object* (*list_item)(Object* list, std::int64_t index);  // borrowed
  Object* (*interpreter)();
  Object* (*main_interpreter)();
  const char* (*allocator_name)();                                               // optional
  int (*set_tracer)(int (*tracer)(Object*, int event, void* data), void* data);  // 3.13 and later
};

struct Runtime {
  Layout layout;
  Api api{};
  bool has_api = false;  // all of it but the optional ones
  char version[16] = {};

  std::uintptr_t (*thread_state)() = nullptr;           // PyGILState_GetThisThreadState
  std::uintptr_t (*attached_thread_state)() = nullptr;  // thread-local on 3.12 and later, else not used
  std::uintptr_t (*current_thread_state)() = nullptr;   // the same; before 3.12 that of whoever holds the GIL
  // Where the latter is, before 3.12, if that could be found out.
  const std::atomic<std::uintptr_t>* current_state = nullptr;
  Symbol runtime;     // _PyRuntime
  Symbol code_type;   // PyCode_Type
  Symbol text_type;   // PyUnicode_Type
  Symbol bytes_type;  // PyBytes_Type
  Symbol none;        // _Py_NoneStruct
};

// Set by the plugin's attach, before any other function of it runs.
extern const memray_unwinder_host* host;

// Objects that are made for memray are not the program's allocations.
class Quiet {
 public:
  Quiet() : before_(host->set_quiet(MEMRAY_QUIET)) {}
  ~Quiet() { host->set_quiet(before_); }
  Quiet(const Quiet&) = delete;
  Quiet& operator=(const Quiet&) = delete;

 private:
  std::uint32_t before_;
};

extern std::atomic<const Runtime*> active;

// The runtime whose stacks are being reported, or nullptr.
inline const Runtime* active_runtime() { return active.load(std::memory_order_acquire); }

// Looks for a CPython. Once found, later calls do nothing; a CPython that cannot be read is warned about once.
const Runtime* find_runtime();

// The same with its API, also where its stacks cannot be read.
const Runtime* find_interpreter();

// Whether the calling thread may use the API.
bool holds_gil(const Runtime& runtime);

// From now on Python stacks are empty. `why` is for the user.
void give_up(const char* why);

}  // namespace memray::python
