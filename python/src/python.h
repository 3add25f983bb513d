// CPython's stable ABI (3.9 and later), with what C++ needs around it: owned references and errors as exceptions.
//
// A function of this extension that Python calls runs its body in `guarded`: C++ exceptions become Python ones there.
// In the body, a failed call of Python's API is turned into a C++ exception by `check`.
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <memray/capture.h>
#include <structmember.h>

#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <utility>

namespace memray::python {

class Ref {
 public:
  Ref() = default;
  explicit Ref(PyObject* owned) : object_(owned) {}
  static Ref borrow(PyObject* object) { return Py_XINCREF(object), Ref(object); }
  ~Ref() { Py_XDECREF(object_); }
  Ref(Ref&& other) noexcept : object_(other.release()) {}
  Ref& operator=(Ref&& other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  PyObject* get() const { return object_; }
  PyObject* release() { return std::exchange(object_, nullptr); }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  PyObject* object_ = nullptr;
};

// A Python exception is set.
struct PythonError {};

inline PyObject* check(PyObject* result) {
  if (result == nullptr) throw PythonError{};
  return result;
}
inline const char* check_text(const char* result) {
  if (result == nullptr) throw PythonError{};
  return result;
}
inline void check(int result) {
  if (result < 0) throw PythonError{};
}

template <typename Body>
auto guarded(Body body, decltype(body()) failed) noexcept -> decltype(body()) {
  try {
    return body();
  } catch (const PythonError&) {
  } catch (const CaptureError& error) {
    PyErr_SetString(PyExc_OSError, error.what());
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  }
  return failed;
}
template <typename Body>
PyObject* guarded(Body body) noexcept {
  return guarded([&]() -> PyObject* { return body(); }, nullptr);
}

// File names and the like need not be UTF-8.
inline Ref to_python(std::string_view text) {
  return Ref(check(PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "surrogateescape")));
}
inline Ref to_python(const char* text) { return to_python(std::string_view(text)); }
inline Ref to_python(std::uint64_t number) { return Ref(check(PyLong_FromUnsignedLongLong(number))); }
inline Ref to_python(std::int64_t number) { return Ref(check(PyLong_FromLongLong(number))); }
inline Ref to_python(bool value) { return Ref::borrow(value ? Py_True : Py_False); }
inline Ref to_python(Ref value) { return value; }

template <typename... Values>
Ref pack(Values&&... values) {
  Ref tuple(check(PyTuple_New(sizeof...(values))));
  Py_ssize_t i = 0;
  (check(PyTuple_SetItem(tuple.get(), i++, to_python(std::forward<Values>(values)).release())), ...);
  return tuple;
}

// A method that takes keywords, as PyMethodDef wants it.
inline PyCFunction with_keywords(PyObject* (*function)(PyObject*, PyObject*, PyObject*)) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

// Makes a type and adds it to the module under the last part of its name. Returns a reference that is never given back.
PyTypeObject* add_type(PyObject* module, PyType_Spec& spec);

// Other threads of Python run while this lives.
class WithoutGil {
 public:
  WithoutGil() : state_(PyEval_SaveThread()) {}
  ~WithoutGil() { PyEval_RestoreThread(state_); }
  WithoutGil(const WithoutGil&) = delete;
  WithoutGil& operator=(const WithoutGil&) = delete;

 private:
  PyThreadState* state_;
};

}  // namespace memray::python
