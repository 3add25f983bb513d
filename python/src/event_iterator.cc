#include "event_iterator.h"

#include <memray/mapping.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <memory>
#include <unordered_map>
#include <vector>

#include "pulled.h"
#include "records.h"

namespace memray::python {
namespace {

constexpr Columns kColumns = Columns::address | Columns::thread;

// What threads were called at a moment, of those that were renamed.
class NamesThen {
 public:
  explicit NamesThen(const Definitions& definitions) {
    for (const NameChange& change : definitions.name_changes()) changes_[change.thread].push_back(change);
  }
  bool empty() const { return changes_.empty(); }
  StringId name(ThreadId thread, std::uint64_t event) const {
    const auto found = changes_.find(thread);
    if (found == changes_.end()) return kNoString;
    const auto later = std::ranges::upper_bound(found->second, event, {}, &NameChange::event);
    return later == found->second.begin() ? kNoString : std::prev(later)->name;
  }

 private:
  std::unordered_map<ThreadId, std::vector<NameChange>> changes_;
};

struct IteratorObject {
  PyObject_HEAD CaptureObject* capture;
  Pulled<EventReader, Event> events;
  NamesThen* names;      // null if no thread was renamed
  std::uint64_t passed;  // events up to the last one shown, with it
};

IteratorObject* as_iterator(PyObject* object) { return reinterpret_cast<IteratorObject*>(object); }

PyTypeObject* iterator_type = nullptr;

// The next event to show; null at the end.
const Event* next_event(IteratorObject& self) {
  while (const Event* const event = self.events.next()) {
    ++self.passed;
    if (is_record(*event)) return event;
  }
  return nullptr;
}

std::uint64_t shown_size(const Event& event) {
  const bool length = !is_deallocator(event.allocator) || event.allocator == Allocator::munmap;
  return length ? event.size : 0;
}

PyObject* next_record(PyObject* self) {
  return guarded([&]() -> PyObject* {
    IteratorObject& iterator = *as_iterator(self);
    const Event* const event = next_event(iterator);
    if (event == nullptr) return nullptr;
    Record* const record = new_allocation_record(iterator.capture);
    record->tid = tid_of(event->thread);
    record->address = event->address;
    record->size = shown_size(*event);
    record->allocator = static_cast<std::int64_t>(without_kind(event->allocator));
    record->n_allocations = 1;
    if (iterator.names != nullptr) record->name = index(iterator.names->name(event->thread, iterator.passed - 1));
    if (event->kind == Event::Kind::allocation) {
      const Site& site = iterator.capture->open->capture.definitions().site(event->site);
      record->stack_id = index(site.stack);
      record->native_stack_id = index(site.native_stack);
    }
    return reinterpret_cast<PyObject*>(record);
  });
}

struct ColumnBuffers {
  std::vector<std::int64_t> tid;
  std::vector<std::uint64_t> address, size;
  std::vector<std::uint8_t> allocator;
  std::vector<std::uint32_t> stack, native_stack;
};

template <typename T>
Ref bytes(const std::vector<T>& values) {
  return Ref(check(PyBytes_FromStringAndSize(reinterpret_cast<const char*>(values.data()),
                                             static_cast<Py_ssize_t>(values.size() * sizeof(T)))));
}

// columns() -> the next records as (count, tid, address, size, allocator, stack_id, native_stack_id), the last six
// as bytes of little-endian numbers; None at the end.
PyObject* columns(PyObject* self, PyObject*) {
  return guarded([&] {
    IteratorObject& iterator = *as_iterator(self);
    const Definitions& definitions = iterator.capture->open->capture.definitions();
    ColumnBuffers out;
    while (const Event* const event = next_event(iterator)) {
      const Site* const site = event->kind == Event::Kind::allocation ? &definitions.site(event->site) : nullptr;
      out.tid.push_back(tid_of(event->thread));
      out.address.push_back(event->address);
      out.size.push_back(shown_size(*event));
      out.allocator.push_back(static_cast<std::uint8_t>(without_kind(event->allocator)));
      out.stack.push_back(site ? index(site->stack) : 0);
      out.native_stack.push_back(site ? index(site->native_stack) : 0);
      if (iterator.events.at_end_of_batch()) break;
    }
    if (out.tid.empty()) return Ref::borrow(Py_None).release();
    return pack(std::uint64_t{out.tid.size()}, bytes(out.tid), bytes(out.address), bytes(out.size),
                bytes(out.allocator), bytes(out.stack), bytes(out.native_stack))
        .release();
  });
}

void deallocate(PyObject* self) {
  IteratorObject* const iterator = as_iterator(self);
  delete iterator->events.reader;
  delete iterator->names;
  Py_XDECREF(reinterpret_cast<PyObject*>(iterator->capture));
  PyTypeObject* const type = Py_TYPE(self);
  PyObject_Free(self);
  Py_DECREF(reinterpret_cast<PyObject*>(type));
}

PyMethodDef methods[] = {{"columns", columns, METH_NOARGS, nullptr}, {nullptr, nullptr, 0, nullptr}};

PyType_Slot slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(deallocate)},
                       {Py_tp_iter, reinterpret_cast<void*>(PyObject_SelfIter)},
                       {Py_tp_iternext, reinterpret_cast<void*>(next_record)},
                       {Py_tp_methods, methods},
                       {0, nullptr}};
PyType_Spec spec{"memray._core.EventIterator", sizeof(IteratorObject), 0, Py_TPFLAGS_DEFAULT, slots};

}  // namespace

void add_event_iterator_type(PyObject* module) { iterator_type = add_type(module, spec); }

PyObject* new_event_iterator(CaptureObject* capture) {
  IteratorObject* const self = as_iterator(check(PyType_GenericAlloc(iterator_type, 0)));
  self->capture = capture;
  Py_INCREF(reinterpret_cast<PyObject*>(capture));
  self->events.reader = new EventReader(capture->open->capture, kColumns);
  auto names = std::make_unique<NamesThen>(capture->open->capture.definitions());
  if (!names->empty()) self->names = names.release();
  return reinterpret_cast<PyObject*>(self);
}

}  // namespace memray::python
