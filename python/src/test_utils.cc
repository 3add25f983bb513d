// memray._test_utils: allocations of every kind, for tests of what is recorded. memray/_test.py is its face.
//
// Each call goes through this object's own imports, as that of any program does, and none may be optimized away, or be
// merged with another: tests count them and look at their stacks.

#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdlib>
#include <vector>

#include "python.h"

extern "C" {
// Since glibc 2.43.
void free_sized(void* pointer, size_t size) __attribute__((weak));
void free_aligned_sized(void* pointer, size_t alignment, size_t size) __attribute__((weak));

// Not part of the stable ABI before 3.13, but of every CPython.
void* PyMem_RawMalloc(size_t size);
void* PyMem_RawCalloc(size_t count, size_t size);
void* PyMem_RawRealloc(void* pointer, size_t size);
void PyMem_RawFree(void* pointer);
}

namespace memray::python {
namespace {

template <typename T>
[[gnu::always_inline]] inline T* keep(T* pointer) {
  asm volatile("" : "+r"(pointer) : : "memory");
  return pointer;
}

std::size_t size_argument(PyObject* argument) {
  const std::size_t size = PyLong_AsSize_t(argument);
  if (PyErr_Occurred() != nullptr) throw PythonError{};
  return size;
}

[[noreturn]] void fail(PyObject* type, const char* text) {
  PyErr_SetString(type, text);
  throw PythonError{};
}

PyObject* none() { return Ref::borrow(Py_None).release(); }
PyObject* truth(bool value) { return Ref::borrow(value ? Py_True : Py_False).release(); }

// ------------------------------------------------------------------------------------------ MemoryAllocator

struct Holder {
  PyObject_HEAD void* pointer;
};
void*& pointer_of(PyObject* self) { return reinterpret_cast<Holder*>(self)->pointer; }

void* call_malloc(std::size_t size) { return malloc(size); }
void* call_calloc(std::size_t size) { return calloc(1, size); }
void* call_realloc(std::size_t size) { return realloc(keep(malloc(1)), size); }
void* call_valloc(std::size_t size) { return valloc(size); }
void* call_pvalloc(std::size_t size) { return pvalloc(size); }
void* call_memalign(std::size_t size) { return memalign(sizeof(void*), size); }
void* call_aligned_alloc(std::size_t size) { return aligned_alloc(sizeof(void*), size); }
void* call_posix_memalign(std::size_t size) {
  void* pointer = nullptr;
  return posix_memalign(&pointer, sizeof(void*), size) == 0 ? pointer : nullptr;
}

template <void* (*Call)(std::size_t)>
PyObject* allocate(PyObject* self, PyObject* argument) {
  return guarded([&] {
    pointer_of(self) = keep(Call(size_argument(argument)));
    return truth(pointer_of(self) != nullptr);
  });
}

void* take(PyObject* self) {
  if (pointer_of(self) == nullptr) fail(PyExc_RuntimeError, "Pointer cannot be NULL");
  return std::exchange(pointer_of(self), nullptr);
}

PyObject* call_free(PyObject* self, PyObject*) {
  return guarded([&] { return free(take(self)), none(); });
}

PyObject* call_free_sized(PyObject* self, PyObject* argument) {
  return guarded([&] {
    if (pointer_of(self) == nullptr) fail(PyExc_RuntimeError, "Pointer cannot be NULL");
    const std::size_t size = size_argument(argument);
    if (free_sized == nullptr) return truth(false);
    return free_sized(take(self), size), truth(true);
  });
}

PyObject* call_free_aligned_sized(PyObject* self, PyObject* argument) {
  return guarded([&] {
    if (pointer_of(self) == nullptr) fail(PyExc_RuntimeError, "Pointer cannot be NULL");
    const std::size_t size = size_argument(argument);
    if (free_aligned_sized == nullptr) return truth(false);
    return free_aligned_sized(take(self), sizeof(void*), size), truth(true);
  });
}

void* call_in_thread(void* callback) {
  const PyGILState_STATE state = PyGILState_Ensure();
  PyObject* const result = PyObject_CallObject(static_cast<PyObject*>(callback), nullptr);
  if (result == nullptr) PyErr_WriteUnraisable(static_cast<PyObject*>(callback));
  Py_XDECREF(result);
  PyGILState_Release(state);
  return nullptr;
}

PyObject* run_in_pthread(PyObject*, PyObject* callback) {
  return guarded([&] {
    pthread_t thread;
    if (pthread_create(&thread, nullptr, call_in_thread, callback) != 0)
      fail(PyExc_RuntimeError, "Failed to create thread");
    const WithoutGil others;
    pthread_join(thread, nullptr);
    return none();
  });
}

PyMethodDef allocator_methods[] = {{"malloc", allocate<call_malloc>, METH_O, nullptr},
                                   {"calloc", allocate<call_calloc>, METH_O, nullptr},
                                   {"realloc", allocate<call_realloc>, METH_O, nullptr},
                                   {"valloc", allocate<call_valloc>, METH_O, nullptr},
                                   {"pvalloc", allocate<call_pvalloc>, METH_O, nullptr},
                                   {"memalign", allocate<call_memalign>, METH_O, nullptr},
                                   {"aligned_alloc", allocate<call_aligned_alloc>, METH_O, nullptr},
                                   {"posix_memalign", allocate<call_posix_memalign>, METH_O, nullptr},
                                   {"free", call_free, METH_NOARGS, nullptr},
                                   {"free_sized", call_free_sized, METH_O, nullptr},
                                   {"free_aligned_sized", call_free_aligned_sized, METH_O, nullptr},
                                   {"run_in_pthread", run_in_pthread, METH_O, nullptr},
                                   {nullptr, nullptr, 0, nullptr}};
PyType_Slot allocator_slots[] = {{Py_tp_methods, allocator_methods}, {0, nullptr}};
PyType_Spec allocator_spec{"memray._test_utils.MemoryAllocator", sizeof(Holder), 0, Py_TPFLAGS_DEFAULT,
                           allocator_slots};

// --------------------------------------------------------------------------------- PymallocMemoryAllocator

enum Domain : int { kRaw = 1, kMem = 2, kObject = 3 };

// function(domain, pointer, size) for each of the domains.
void* domain_malloc(int domain, void*, std::size_t size) {
  return domain == kRaw ? PyMem_RawMalloc(size) : domain == kMem ? PyMem_Malloc(size) : PyObject_Malloc(size);
}
void* domain_calloc(int domain, void*, std::size_t size) {
  return domain == kRaw ? PyMem_RawCalloc(1, size) : domain == kMem ? PyMem_Calloc(1, size) : PyObject_Calloc(1, size);
}
void* domain_realloc(int domain, void* pointer, std::size_t size) {
  return domain == kRaw   ? PyMem_RawRealloc(pointer, size)
         : domain == kMem ? PyMem_Realloc(pointer, size)
                          : PyObject_Realloc(pointer, size);
}

template <void* (*Call)(int, void*, std::size_t)>
PyObject* allocate_in_domain(PyObject* self, PyObject* arguments) {
  return guarded([&] {
    int domain = 0;
    Py_ssize_t size = 0;
    if (PyArg_ParseTuple(arguments, "in", &domain, &size) == 0) throw PythonError{};
    void* const pointer = keep(Call(domain, pointer_of(self), static_cast<std::size_t>(size)));
    pointer_of(self) = pointer;
    return truth(pointer != nullptr);
  });
}

PyObject* free_in_domain(PyObject* self, PyObject* argument) {
  return guarded([&] {
    const std::size_t domain = size_argument(argument);
    void* const pointer = take(self);
    if (domain == kRaw)
      PyMem_RawFree(pointer);
    else if (domain == kMem)
      PyMem_Free(pointer);
    else
      PyObject_Free(pointer);
    return none();
  });
}

PyMethodDef domain_methods[] = {{"malloc", allocate_in_domain<domain_malloc>, METH_VARARGS, nullptr},
                                {"calloc", allocate_in_domain<domain_calloc>, METH_VARARGS, nullptr},
                                {"realloc", allocate_in_domain<domain_realloc>, METH_VARARGS, nullptr},
                                {"free", free_in_domain, METH_O, nullptr},
                                {nullptr, nullptr, 0, nullptr}};
PyType_Slot domain_slots[] = {{Py_tp_methods, domain_methods}, {0, nullptr}};
PyType_Spec domain_spec{"memray._test_utils.PymallocMemoryAllocator", sizeof(Holder), 0, Py_TPFLAGS_DEFAULT,
                        domain_slots};

// ------------------------------------------------------------------------------------------------ functions

// mmap(size, address) -> the address of a new mapping
PyObject* call_mmap(PyObject*, PyObject* arguments) {
  return guarded([&] {
    Py_ssize_t size = 0;
    unsigned long long address = 0;
    if (PyArg_ParseTuple(arguments, "nK", &size, &address) == 0) throw PythonError{};
    void* const mapping = mmap(reinterpret_cast<void*>(address), static_cast<std::size_t>(size), PROT_WRITE,
                               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED) fail(PyExc_MemoryError, "mmap failed");
    return to_python(std::uint64_t{reinterpret_cast<std::uintptr_t>(mapping)}).release();
  });
}

PyObject* call_munmap(PyObject*, PyObject* arguments) {
  return guarded([&] {
    unsigned long long address = 0;
    Py_ssize_t length = 0;
    if (PyArg_ParseTuple(arguments, "Kn", &address, &length) == 0) throw PythonError{};
    if (munmap(reinterpret_cast<void*>(address), static_cast<std::size_t>(length)) != 0)
      fail(PyExc_MemoryError, "munmap failed");
    return none();
  });
}

PyObject* nested_allocation(PyObject*, PyObject* arguments) {
  return guarded([&] {
    PyObject* function = nullptr;
    Py_ssize_t size = 0;
    if (PyArg_ParseTuple(arguments, "On", &function, &size) == 0) throw PythonError{};
    const Ref result(check(PyObject_CallFunction(function, "n", size)));
    free(keep(valloc(static_cast<std::size_t>(size))));
    return none();
  });
}

[[gnu::noinline]] void* allocate_here(std::size_t size) { return keep(valloc(size)); }
[[gnu::noinline]] void* allocate_there(std::size_t size) { return keep(keep(valloc(size))); }

PyObject* allocate_in_two_places(PyObject*, PyObject* argument) {
  return guarded([&] {
    const std::size_t size = size_argument(argument);
    void* const first = keep(allocate_here(size));
    void* const second = keep(allocate_there(size));
    free(first);
    free(second);
    return none();
  });
}

PyObject* function_caller(PyObject*, PyObject* function) { return keep(PyObject_CallObject(function, nullptr)); }

PyObject* allocate_without_gil_held(PyObject*, PyObject* arguments) {
  return guarded([&] {
    int wake_up_main = -1;
    int wake_up_thread = -1;
    if (PyArg_ParseTuple(arguments, "ii", &wake_up_main, &wake_up_thread) == 0) throw PythonError{};
    void* pointer = nullptr;
    {
      const WithoutGil others;
      char byte = 0;
      while (write(wake_up_main, &byte, 1) != 1) continue;
      while (read(wake_up_thread, &byte, 1) != 1) continue;
      pointer = keep(valloc(1234));
    }
    free(pointer);
    free(keep(valloc(4321)));
    return none();
  });
}

PyObject* allocate_cpp_vector(PyObject*, PyObject* argument) {
  return guarded([&] {
    std::vector<int> numbers;
    numbers.reserve(size_argument(argument) / sizeof(int));
    keep(numbers.data());
    return none();
  });
}

PyObject* fill_cpp_vector(PyObject*, PyObject* argument) {
  return guarded([&] {
    const std::size_t count = size_argument(argument) / sizeof(int);
    std::vector<int> numbers;
    for (std::size_t i = 0; i < count; ++i) numbers.push_back(static_cast<int>(i));
    keep(numbers.data());
    return to_python(std::uint64_t{numbers.size()}).release();
  });
}

PyObject* set_thread_name(PyObject*, PyObject* name) {
  return guarded([&] {
    const Ref bytes(check(PyUnicode_AsUTF8String(name)));
    return to_python(std::int64_t{prctl(PR_SET_NAME, check_text(PyBytes_AsString(bytes.get())))}).release();
  });
}

PyObject* call_exit(PyObject*, PyObject* finalize) {
  if (PyObject_IsTrue(finalize) != 0) {
    Py_FinalizeEx();
    exit(0);
  }
  const WithoutGil others;
  exit(0);
}

PyMethodDef functions[] = {{"mmap", call_mmap, METH_VARARGS, nullptr},
                           {"munmap", call_munmap, METH_VARARGS, nullptr},
                           {"nested_allocation", nested_allocation, METH_VARARGS, nullptr},
                           {"allocate_in_two_places", allocate_in_two_places, METH_O, nullptr},
                           {"function_caller", function_caller, METH_O, nullptr},
                           {"allocate_without_gil_held", allocate_without_gil_held, METH_VARARGS, nullptr},
                           {"allocate_cpp_vector", allocate_cpp_vector, METH_O, nullptr},
                           {"fill_cpp_vector", fill_cpp_vector, METH_O, nullptr},
                           {"set_thread_name", set_thread_name, METH_O, nullptr},
                           {"exit", call_exit, METH_O, nullptr},
                           {nullptr, nullptr, 0, nullptr}};
PyModuleDef definition{
    PyModuleDef_HEAD_INIT, "memray._test_utils", nullptr, -1, functions, nullptr, nullptr, nullptr, nullptr};

void add(PyObject* module, const char* name, PyType_Spec& spec) {
  check(PyModule_AddObject(module, name, check(PyType_FromSpec(&spec))));
}

}  // namespace
}  // namespace memray::python

PyMODINIT_FUNC PyInit__test_utils() {
  using namespace memray::python;
  return guarded([] {
    Ref module(check(PyModule_Create(&definition)));
    add(module.get(), "MemoryAllocator", allocator_spec);
    add(module.get(), "PymallocMemoryAllocator", domain_spec);
    return module.release();
  });
}
