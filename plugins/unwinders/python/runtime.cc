#include "runtime.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <initializer_list>

namespace memray::python {

const memray_unwinder_host* host = nullptr;
std::atomic<const Runtime*> active{nullptr};

namespace {

Runtime the_runtime;
std::atomic<bool> looking{false};
bool settled = false;  // found, for better or worse

struct WantedFunction {
  const char* name;
  void* slot;
  bool optional = false;
};

bool find_api(Api& api) {
  const WantedFunction functions[] = {
      {"Py_IsInitialized", &api.is_initialized},
      {"Py_AddPendingCall", &api.add_pending_call},
      {"PySys_AddAuditHook", &api.add_audit_hook},
      {"PyErr_Fetch", &api.fetch_error},
      {"PyErr_Restore", &api.restore_error},
      {"PyErr_Clear", &api.clear_error},
      {"Py_IncRef", &api.increment},
      {"Py_DecRef", &api.decrement},
      {"PyImport_ImportModule", &api.import_module},
      {"PyImport_GetModuleDict", &api.modules},
      {"PyObject_GetAttrString", &api.attribute},
      {"PyObject_GenericGetAttr", &api.own_attribute},
      {"PyUnicode_InternFromString", &api.intern},
      {"PyObject_CallFunctionObjArgs", &api.call},
      {"PyCFunction_NewEx", &api.new_function},
      {"PyDict_New", &api.new_dict},
      {"PyDict_SetItemString", &api.set_item},
      {"PyDict_GetItem", &api.get_item},
      {"PyDict_Values", &api.values},
      {"Py_CompileString", &api.compile},
      {"PyEval_EvalCode", &api.evaluate},
      {"PyEval_GetFrame", &api.current_frame},
      {"PyFrame_GetCode", &api.code_of_frame},
      {"PyLong_AsLong", &api.to_long},
      {"PySys_GetObject", &api.sys_object},
      {"PyUnicode_AsUTF8", &api.to_utf8},
      {"PyList_Size", &api.list_size},
      {"PyList_GetItem", &api.list_item},
      {"PyInterpreterState_Get", &api.interpreter},
      {"PyInterpreterState_Main", &api.main_interpreter},
      {"_PyMem_GetCurrentAllocatorName", &api.allocator_name, true},
      {"PyRefTracer_SetTracer", &api.set_tracer, true},
  };
  constexpr std::size_t count = sizeof functions / sizeof functions[0];
  Symbol found[count];
  WantedSymbol wanted[count];
  for (std::size_t i = 0; i < count; ++i) wanted[i] = {functions[i].name, &found[i]};
  find_symbols(wanted);
  bool complete = true;
  for (std::size_t i = 0; i < count; ++i) {
    std::memcpy(functions[i].slot, &found[i].address, sizeof found[i].address);
    if (found[i].address == 0 && !functions[i].optional) complete = false;
  }
  return complete;
}

// "3.12.1" out of "3.12.1 (main, ...".
MinorVersion parse_version(const char* text, char (&version)[16]) {
  std::size_t size = 0;
  while (size + 1 < sizeof version && text[size] != ' ' && text[size] != '\0') ++size;
  std::memcpy(version, text, size);
  std::uint32_t numbers[2] = {};
  for (std::uint32_t& number : numbers) {
    for (; *text >= '0' && *text <= '9'; ++text) number = number * 10 + static_cast<std::uint32_t>(*text - '0');
    if (*text == '.') ++text;
  }
  return numbers[0] << 8 | numbers[1];
}

// The type of code objects is called "code": if its name is where we expect it, so are the fields around it.
bool type_fits(const Runtime& runtime) {
  const auto* name = *reinterpret_cast<const char* const*>(runtime.code_type.address + runtime.layout.type_name);
  return name && std::strcmp(name, "code") == 0;
}

// The word that `function` returns if it does nothing else, or nullptr. On x86-64, in the forms that compilers give
// "return global" and "return global.member".
const std::atomic<std::uintptr_t>* word_returned_by([[maybe_unused]] std::uintptr_t (*function)()) {
#if defined(__x86_64__)
  const auto* code = reinterpret_cast<const std::uint8_t*>(function);
  const auto starts_with = [&](std::initializer_list<std::uint8_t> bytes) {
    return std::equal(bytes.begin(), bytes.end(), code);
  };
  const auto number_in = [&] {
    std::int32_t number;
    std::memcpy(&number, code + 3, sizeof number);
    return static_cast<std::uintptr_t>(std::int64_t{number});
  };
  if (starts_with({0xf3, 0x0f, 0x1e, 0xfa})) code += 4;            // endbr64
  const bool loads = starts_with({0x48, 0x8b, 0x05});              // mov n(%rip), %rax
  if (!loads && !starts_with({0x48, 0x8d, 0x05})) return nullptr;  // lea n(%rip), %rax
  std::uintptr_t at = reinterpret_cast<std::uintptr_t>(code) + 7 + number_in();
  code += 7;
  if (!(loads && starts_with({0xc3}))) {                                      // ret
    if (!starts_with({0x48, 0x8b, 0x80}) || code[7] != 0xc3) return nullptr;  // mov n(%rax), %rax
    if (loads) std::memcpy(&at, reinterpret_cast<const void*>(at), sizeof at);
    at += number_in();
  }
  return reinterpret_cast<const std::atomic<std::uintptr_t>*>(at);
#else
  return nullptr;
#endif
}

void use(Runtime& runtime, const char* (*get_version)()) {
  const MinorVersion version = parse_version(get_version(), runtime.version);
  host->describe("python_version", runtime.version);
  runtime.has_api = find_api(runtime.api);
  if (!layout_of(version, runtime.runtime.address, runtime.runtime.size, runtime.layout)) {
    host->warn(version < kOldest ? "this Python is older than 3.9: recording without Python stacks"
               : version > kNewest
                   ? "this Python is newer than this memray knows: recording without Python stacks"
                   : "this build of Python describes itself inconsistently: recording without Python stacks");
    return;
  }
  if (!type_fits(runtime)) {
    host->warn("this build of Python has an unknown object layout: recording without Python stacks");
    return;
  }
  if (version < 0x030c) {
    runtime.attached_thread_state = nullptr;
    if (runtime.current_thread_state) runtime.current_state = word_returned_by(runtime.current_thread_state);
  }
  active.store(&runtime, std::memory_order_release);
}

void look(Runtime& runtime) {
  Symbol thread_state, attached, older_attached, get_version;
  const WantedSymbol wanted[] = {
      {"_PyRuntime", &runtime.runtime},          {"PyCode_Type", &runtime.code_type},
      {"PyUnicode_Type", &runtime.text_type},    {"PyBytes_Type", &runtime.bytes_type},
      {"_Py_NoneStruct", &runtime.none},         {"PyGILState_GetThisThreadState", &thread_state},
      {"PyThreadState_GetUnchecked", &attached}, {"_PyThreadState_UncheckedGet", &older_attached},
      {"Py_GetVersion", &get_version},
  };
  find_symbols(wanted);
  if (!runtime.runtime.address || !runtime.code_type.address || !runtime.text_type.address ||
      !runtime.bytes_type.address || !thread_state.address || !get_version.address) {
    return;
  }
  settled = true;
  runtime.thread_state = reinterpret_cast<std::uintptr_t (*)()>(thread_state.address);
  if (attached.address == 0) attached = older_attached;
  runtime.attached_thread_state = reinterpret_cast<std::uintptr_t (*)()>(attached.address);
  runtime.current_thread_state = runtime.attached_thread_state;
  use(runtime, reinterpret_cast<const char* (*)()>(get_version.address));
}

}  // namespace

const Runtime* find_runtime() {
  if (looking.exchange(true, std::memory_order_acquire)) return active_runtime();
  if (!settled) look(the_runtime);
  looking.store(false, std::memory_order_release);
  return active_runtime();
}

const Runtime* find_interpreter() {
  find_runtime();
  return the_runtime.has_api ? &the_runtime : nullptr;
}

bool holds_gil(const Runtime& runtime) {
  if (host->interrupting()) return false;  // it may, but who knows what it is doing
  const std::uintptr_t current = runtime.current_thread_state ? runtime.current_thread_state() : 0;
  return current != 0 && (runtime.layout.version >= 0x030c || current == runtime.thread_state());
}

void give_up(const char* why) {
  active.store(nullptr, std::memory_order_release);
  host->warn(why);
}

}  // namespace memray::python
