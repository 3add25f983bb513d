#include "records.h"

#include <fmt/format.h>

#include <cstddef>
#include <limits>
#include <type_traits>
#include <vector>

#include "docs.h"
#include "size_format.h"

namespace memray::python {
namespace {

PyTypeObject* allocation_type = nullptr;
PyTypeObject* temporal_type = nullptr;
PyTypeObject* object_type = nullptr;

Record* as_record(PyObject* object) { return reinterpret_cast<Record*>(object); }

Record* make(PyTypeObject* type, CaptureObject* capture) {
  static const auto allocate = reinterpret_cast<allocfunc>(PyType_GetSlot(allocation_type, Py_tp_alloc));
  Record* const record = as_record(check(allocate(type, 0)));
  record->capture = capture;
  Py_XINCREF(reinterpret_cast<PyObject*>(capture));
  return record;
}

void deallocate(PyObject* self) {
  Record* const record = as_record(self);
  Py_XDECREF(record->intervals);
  Py_XDECREF(reinterpret_cast<PyObject*>(record->capture));
  PyTypeObject* const type = Py_TYPE(self);
  reinterpret_cast<freefunc>(PyType_GetSlot(type, Py_tp_free))(self);
  Py_DECREF(reinterpret_cast<PyObject*>(type));
}

// AllocationRecord((tid, address, size, allocator, stack_id, n_allocations[, native_stack_id[, generation]]))
template <typename Number>
void set(Number& field, PyObject* tuple, Py_ssize_t i) {
  PyObject* const item = PyTuple_GetItem(tuple, i);
  if constexpr (std::is_signed_v<Number>) {
    field = PyLong_AsLongLong(item);
  } else {
    field = PyLong_AsUnsignedLongLong(item);
  }
  if (PyErr_Occurred() != nullptr) throw PythonError{};
}

PyObject* from_tuple(PyTypeObject* type, PyObject* arguments, PyObject* keywords) {
  return guarded([&] {
    const char* const names[] = {"record", nullptr};
    PyObject* tuple = nullptr;
    if (PyArg_ParseTupleAndKeywords(arguments, keywords, "O!:AllocationRecord", const_cast<char**>(names),
                                    &PyTuple_Type, &tuple) == 0)
      throw PythonError{};
    const Py_ssize_t fields = PyTuple_Size(tuple);
    if (fields < 6) {
      PyErr_SetString(PyExc_TypeError,
                      "AllocationRecord needs a tuple of 6 numbers or more: tid, address, size, allocator, stack_id, "
                      "n_allocations, native_stack_id, native_segment_generation");
      throw PythonError{};
    }
    Ref self(reinterpret_cast<PyObject*>(make(type, nullptr)));
    Record& record = *as_record(self.get());
    set(record.tid, tuple, 0);
    set(record.address, tuple, 1);
    set(record.size, tuple, 2);
    set(record.allocator, tuple, 3);
    set(record.stack_id, tuple, 4);
    set(record.n_allocations, tuple, 5);
    if (fields > 6) set(record.native_stack_id, tuple, 6);
    if (fields > 7) set(record.native_segment_generation, tuple, 7);
    return self.release();
  });
}

Ref as_tuple(const Record& r) {
  return pack(r.tid, r.address, r.size, r.allocator, r.stack_id, r.n_allocations, r.native_stack_id,
              r.native_segment_generation);
}

PyObject* compare(PyObject* left, PyObject* right, int operation) {
  if ((operation != Py_EQ && operation != Py_NE) || Py_TYPE(left) != Py_TYPE(right))
    return Ref::borrow(Py_NotImplemented).release();
  return guarded([&] {
    const Record& a = *as_record(left);
    const Record& b = *as_record(right);
    if (a.is_created != b.is_created) return to_python(operation == Py_NE).release();
    return check(PyObject_RichCompare(as_tuple(a).get(), as_tuple(b).get(), operation));
  });
}

Py_hash_t hash(PyObject* self) {
  return guarded([&] { return PyObject_Hash(as_tuple(*as_record(self)).get()); }, Py_hash_t{-1});
}

PyObject* represent(PyObject* self) {
  return guarded([&] {
    const Record& r = *as_record(self);
    const auto allocator = static_cast<Allocator>(r.allocator);
    const std::string size =
        is_deallocator(allocator) && r.size == 0 ? "N/A" : size_format(static_cast<double>(r.size));
    return to_python(fmt::format("AllocationRecord<tid={:#x}, address={:#x}, size={}, allocator={}, allocations={}>",
                                 r.tid, r.address, size, r.allocator, r.n_allocations))
        .release();
  });
}

OpenCapture& source(const Record& record) {
  if (record.capture != nullptr) return *record.capture->open;
  PyErr_SetString(PyExc_AssertionError, "this record does not come from a FileReader, so it has no stack");
  throw PythonError{};
}

std::size_t most_frames(PyObject* arguments, PyObject* keywords) {
  const char* const names[] = {"max_stacks", nullptr};
  PyObject* most = Py_None;
  if (PyArg_ParseTupleAndKeywords(arguments, keywords, "|O", const_cast<char**>(names), &most) == 0)
    throw PythonError{};
  if (most == Py_None) return std::numeric_limits<std::size_t>::max();
  const std::size_t number = PyLong_AsSize_t(most);
  if (PyErr_Occurred() != nullptr) throw PythonError{};
  return number;
}

void require_stack(const Record& record, PyTypeObject* type) {
  const auto allocator = static_cast<Allocator>(record.allocator);
  const char* missing = nullptr;
  if (type == object_type && !record.is_created) missing = "Stack traces for object destructions aren't captured.";
  if (type != object_type && (allocator == Allocator::free || allocator == Allocator::munmap))
    missing = "Stack traces for deallocations aren't captured.";
  if (missing == nullptr) return;
  PyErr_SetString(PyExc_NotImplementedError, missing);
  throw PythonError{};
}

template <typename Make>
PyObject* stack_of(PyObject* self, PyObject* arguments, PyObject* keywords, Make make_list) {
  return guarded([&] {
    const std::size_t most = most_frames(arguments, keywords);
    const Record& record = *as_record(self);
    require_stack(record, Py_TYPE(self));
    return make_list(source(record).stacks, StackId{static_cast<std::uint32_t>(record.stack_id)},
                     StackId{static_cast<std::uint32_t>(record.native_stack_id)}, most)
        .release();
  });
}

PyObject* stack_trace(PyObject* self, PyObject* arguments, PyObject* keywords) {
  return stack_of(self, arguments, keywords,
                  [](Stacks& stacks, StackId stack, StackId, std::size_t most) { return stacks.python(stack, most); });
}
PyObject* native_stack_trace(PyObject* self, PyObject* arguments, PyObject* keywords) {
  return stack_of(self, arguments, keywords, [](Stacks& stacks, StackId, StackId native, std::size_t most) {
    return stacks.native(native, most);
  });
}
PyObject* hybrid_stack_trace(PyObject* self, PyObject* arguments, PyObject* keywords) {
  return stack_of(self, arguments, keywords, [](Stacks& stacks, StackId stack, StackId native, std::size_t most) {
    return stacks.hybrid(stack, native, most);
  });
}

PyObject* thread_name(PyObject* self, void*) {
  return guarded([&] {
    const Record& record = *as_record(self);
    OpenCapture& open = source(record);
    return record.name != 0 ? Ref::borrow(open.stacks.string(StringId{record.name})).release()
                            : name_of_thread(open, record.tid).release();
  });
}

constexpr int number_type(std::int64_t) { return T_LONGLONG; }
constexpr int number_type(std::uint64_t) { return T_ULONGLONG; }
#define NUMBER(field, text) \
  { #field, number_type(decltype(Record::field){}), offsetof(Record, field), READONLY, text }

#define COMMON_MEMBERS                                                                            \
  NUMBER(tid, "Number of the thread in the capture, from 1; -1 where threads are merged."),       \
      NUMBER(stack_id, "Number of the Python stack; equal for equal stacks, 0 for none."),        \
      NUMBER(native_stack_id, "Number of the native stack; equal for equal stacks, 0 for none."), \
      NUMBER(native_segment_generation, "Always 0: addresses are resolved while recording. Kept for callers.")

PyMemberDef allocation_members[] = {
    COMMON_MEMBERS,
    NUMBER(address, "Address of the block; 0 in aggregated records."),
    NUMBER(size, "Bytes requested, summed up in aggregated records; 0 for a free, the length for munmap."),
    NUMBER(allocator, "The call, as a number of AllocatorType."),
    NUMBER(n_allocations, "Number of allocations that this record stands for."),
    {nullptr, 0, 0, 0, nullptr}};

PyMemberDef temporal_members[] = {
    COMMON_MEMBERS,
    NUMBER(allocator, "The call, as a number of AllocatorType."),
    {"intervals", T_OBJECT, offsetof(Record, intervals), READONLY, "List of Interval: when how much was held."},
    {nullptr, 0, 0, 0, nullptr}};

PyMemberDef object_members[] = {
    COMMON_MEMBERS,
    NUMBER(address, "id() of the object."),
    {"is_created", T_BOOL, offsetof(Record, is_created), READONLY, "Whether the object was created, or destroyed."},
    {nullptr, 0, 0, 0, nullptr}};

PyGetSetDef properties[] = {
    {"thread_name", thread_name, nullptr,
     "Name of the thread, \"\" if it had none, \"merged thread\" where threads are merged.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyMethodDef methods[] = {
    {"stack_trace", with_keywords(stack_trace), METH_VARARGS | METH_KEYWORDS, docs::kStackTrace},
    {"native_stack_trace", with_keywords(native_stack_trace), METH_VARARGS | METH_KEYWORDS, docs::kNativeStackTrace},
    {"hybrid_stack_trace", with_keywords(hybrid_stack_trace), METH_VARARGS | METH_KEYWORDS, docs::kHybridStackTrace},
    {nullptr, nullptr, 0, nullptr}};

PyTypeObject* add_record_type(PyObject* module, const char* name, const char* doc, PyMemberDef* members,
                              std::vector<PyType_Slot> more) {
  std::vector<PyType_Slot> slots{{Py_tp_dealloc, reinterpret_cast<void*>(deallocate)},
                                 {Py_tp_methods, methods},
                                 {Py_tp_members, members},
                                 {Py_tp_getset, properties},
                                 {Py_tp_doc, const_cast<char*>(doc)},
                                 {Py_tp_richcompare, reinterpret_cast<void*>(compare)},
                                 {Py_tp_hash, reinterpret_cast<void*>(hash)}};
  slots.insert(slots.end(), more.begin(), more.end());
  slots.push_back({0, nullptr});
  PyType_Spec spec{name, sizeof(Record), 0, Py_TPFLAGS_DEFAULT, slots.data()};
  return add_type(module, spec);
}

}  // namespace

void add_record_types(PyObject* module) {
  allocation_type = add_record_type(
      module, "memray.AllocationRecord", docs::kAllocationRecord, allocation_members,
      {{Py_tp_new, reinterpret_cast<void*>(from_tuple)}, {Py_tp_repr, reinterpret_cast<void*>(represent)}});
  temporal_type =
      add_record_type(module, "memray.TemporalAllocationRecord", docs::kTemporalAllocationRecord, temporal_members, {});
  object_type = add_record_type(module, "memray.TrackedObjectRecord", docs::kTrackedObjectRecord, object_members, {});
}

Record* new_allocation_record(CaptureObject* capture) { return make(allocation_type, capture); }
Record* new_temporal_record(CaptureObject* capture) { return make(temporal_type, capture); }
Record* new_object_record(CaptureObject* capture) { return make(object_type, capture); }

}  // namespace memray::python
