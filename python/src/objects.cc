#include "objects.h"

#include <memray/objects.h>

#include <set>
#include <unordered_map>

#include "pulled.h"
#include "records.h"

namespace memray::python {
namespace {

struct IteratorObject {
  PyObject_HEAD CaptureObject* capture;
  Pulled<ObjectReader, ObjectEvent> events;
  std::set<std::uint64_t>* wanted;  // numbers of objects; null for all
};

IteratorObject* as_iterator(PyObject* object) { return reinterpret_cast<IteratorObject*>(object); }

PyTypeObject* iterator_type = nullptr;

// What is alive at the end: numbers by address.
std::unordered_map<std::uint64_t, std::uint64_t> alive(const Capture& capture) {
  std::unordered_map<std::uint64_t, std::uint64_t> numbers;
  objects(capture, [&](std::span<const ObjectEvent> events) {
    for (const ObjectEvent& event : events) {
      if (event.created) {
        numbers[event.address] = event.number;
      } else if (const auto known = numbers.find(event.address);
                 known != numbers.end() && known->second == event.number) {
        numbers.erase(known);
      }
    }
    return true;
  });
  return numbers;
}

std::set<std::uint64_t> numbers_of(const Capture& capture, PyObject* addresses) {
  const auto numbers = alive(capture);
  std::set<std::uint64_t> wanted;
  const Ref each(check(PyObject_GetIter(addresses)));
  while (const Ref address{PyIter_Next(each.get())}) {
    const auto known = numbers.find(PyLong_AsUnsignedLongLong(address.get()));
    if (known != numbers.end()) wanted.insert(known->second);
  }
  if (PyErr_Occurred() != nullptr) throw PythonError{};
  return wanted;
}

const ObjectEvent* next_event(IteratorObject& self) {
  while (const ObjectEvent* const event = self.events.next()) {
    if (self.wanted == nullptr || self.wanted->contains(event->number)) return event;
  }
  return nullptr;
}

PyObject* next_record(PyObject* self) {
  return guarded([&]() -> PyObject* {
    IteratorObject& iterator = *as_iterator(self);
    const ObjectEvent* const event = next_event(iterator);
    if (event == nullptr) return nullptr;
    Record* const record = new_object_record(iterator.capture);
    record->tid = tid_of(event->thread);
    record->address = event->address;
    record->is_created = event->created;
    if (event->created) {
      record->stack_id = index(event->stack);
      record->native_stack_id = index(event->native_stack);
    }
    return reinterpret_cast<PyObject*>(record);
  });
}

void deallocate(PyObject* self) {
  IteratorObject* const iterator = as_iterator(self);
  delete iterator->events.reader;
  delete iterator->wanted;
  Py_XDECREF(reinterpret_cast<PyObject*>(iterator->capture));
  PyTypeObject* const type = Py_TYPE(self);
  PyObject_Free(self);
  Py_DECREF(reinterpret_cast<PyObject*>(type));
}

PyType_Slot slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(deallocate)},
                       {Py_tp_iter, reinterpret_cast<void*>(PyObject_SelfIter)},
                       {Py_tp_iternext, reinterpret_cast<void*>(next_record)},
                       {0, nullptr}};
PyType_Spec spec{"memray._core.ObjectIterator", sizeof(IteratorObject), 0, Py_TPFLAGS_DEFAULT, slots};

}  // namespace

void add_object_iterator_type(PyObject* module) { iterator_type = add_type(module, spec); }

PyObject* new_object_iterator(CaptureObject* capture, PyObject* addresses) {
  Ref self(check(PyType_GenericAlloc(iterator_type, 0)));
  IteratorObject& iterator = *as_iterator(self.get());
  iterator.capture = capture;
  Py_INCREF(reinterpret_cast<PyObject*>(capture));
  const Capture& source = capture->open->capture;
  if (addresses != Py_None) iterator.wanted = new std::set(numbers_of(source, addresses));
  iterator.events.reader = new ObjectReader(source);
  return self.release();
}

Ref survivors(const std::string& path) {
  const Capture capture(path);
  std::set<std::pair<std::uint64_t, std::uint64_t>> in_order;
  for (const auto& [address, number] : alive(capture)) in_order.insert({number, address});
  Ref result(check(PyTuple_New(static_cast<Py_ssize_t>(in_order.size()))));
  Py_ssize_t i = 0;
  for (const auto& [number, address] : in_order)
    check(PyTuple_SetItem(result.get(), i++, Ref::borrow(reinterpret_cast<PyObject*>(address)).release()));
  return result;
}

}  // namespace memray::python
