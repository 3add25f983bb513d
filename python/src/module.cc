// memray._core: the part of the Python package that is written in C++. Everything public is in the Python files beside.

#include "capture_object.h"
#include "docs.h"
#include "event_iterator.h"
#include "objects.h"
#include "python.h"
#include "recording.h"
#include "records.h"
#include "size_format.h"

#include <cstring>

namespace memray::python {

PyTypeObject* add_type(PyObject* module, PyType_Spec& spec) {
  PyObject* const type = check(PyType_FromSpec(&spec));
  Py_INCREF(type);
  check(PyModule_AddObject(module, std::strrchr(spec.name, '.') + 1, type));
  return reinterpret_cast<PyTypeObject*>(type);
}

namespace {

PyObject* size_fmt(PyObject*, PyObject* arguments, PyObject* keywords) {
  return guarded([&] {
    const char* const names[] = {"num", "suffix", nullptr};
    double bytes = 0;
    const char* suffix = "B";
    if (PyArg_ParseTupleAndKeywords(arguments, keywords, "d|s:size_fmt", const_cast<char**>(names), &bytes, &suffix) ==
        0)
      throw PythonError{};
    return to_python(size_format(bytes, suffix)).release();
  });
}

PyMethodDef functions[] = {{"size_fmt", with_keywords(size_fmt), METH_VARARGS | METH_KEYWORDS, docs::kSizeFormat},
                           {nullptr, nullptr, 0, nullptr}};

PyModuleDef definition{
    PyModuleDef_HEAD_INIT, "memray._core", nullptr, -1, functions, nullptr, nullptr, nullptr, nullptr};

}  // namespace
}  // namespace memray::python

PyMODINIT_FUNC PyInit__core() {
  using namespace memray::python;
  return guarded([] {
    Ref module(check(PyModule_Create(&definition)));
    add_record_types(module.get());
    add_event_iterator_type(module.get());
    add_object_iterator_type(module.get());
    add_capture_type(module.get());
    add_recording_type(module.get());
    check(PyModule_AddStringConstant(module.get(), "__version__", MEMRAY_VERSION));
    return module.release();
  });
}
