#include "stacks.h"

#include <algorithm>

namespace memray::python {
namespace {

PyObject*& slot(std::vector<PyObject*>& table, std::size_t i) {
  if (table.size() <= i) table.resize(i + 1);
  return table[i];
}

void append(const Ref& list, PyObject* item) { check(PyList_Append(list.get(), item)); }

std::size_t length(const Ref& list) { return static_cast<std::size_t>(PyList_Size(list.get())); }

}  // namespace

Stacks::~Stacks() {
  for (PyObject* object : frames_) Py_XDECREF(object);
  for (PyObject* object : strings_) Py_XDECREF(object);
}

PyObject* Stacks::string(StringId id) {
  PyObject*& known = slot(strings_, index(id));
  if (known == nullptr) known = to_python(capture_.definitions().string(id)).release();
  return known;
}

PyObject* Stacks::frame(FrameId id) {
  PyObject*& known = slot(frames_, index(id));
  if (known != nullptr) return known;
  const std::span<const Location> locations = capture_.definitions().locations(id);
  if (locations.empty()) return known = pack(pack("<unknown>", "<unknown>", std::int64_t{0})).release();
  Ref all(check(PyTuple_New(static_cast<Py_ssize_t>(locations.size()))));
  for (std::size_t i = 0; i < locations.size(); ++i) {
    const Location& place = locations[i];
    Ref one = pack(Ref::borrow(string(place.function)), Ref::borrow(string(place.file)), std::int64_t{place.line});
    check(PyTuple_SetItem(all.get(), static_cast<Py_ssize_t>(i), one.release()));
  }
  return known = all.release();
}

Ref Stacks::list(const std::vector<FrameId>& frames, std::size_t most) {
  Ref result(check(PyList_New(0)));
  for (const FrameId id : frames) {
    PyObject* const places = frame(id);
    for (Py_ssize_t i = 0; i < PyTuple_Size(places); ++i) {
      if (length(result) >= most) return result;
      append(result, PyTuple_GetItem(places, i));
    }
  }
  return result;
}

Ref Stacks::python(StackId stack, std::size_t most) {
  std::vector<FrameId> frames = capture_.definitions().frames_of(stack);
  frames.resize(frames.size() - frames_outside_entry(capture_, stack));
  return list(frames, most);
}

Ref Stacks::native(StackId stack, std::size_t most) { return list(capture_.definitions().frames_of(stack), most); }

Ref Stacks::hybrid(StackId stack, StackId native_stack, std::size_t most) {
  Group group;
  group.stack = stack;
  group.native_stack = native_stack;
  if (native_stack == kNoStack) return python(stack, most);
  Ref result(check(PyList_New(0)));
  for (const DisplayFrame& place : display_stack(capture_, group)) {
    if (length(result) >= most) break;
    append(result, pack(place.function, place.file, std::int64_t{place.line}).get());
  }
  return result;
}

}  // namespace memray::python
