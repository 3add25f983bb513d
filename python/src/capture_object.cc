#include "capture_object.h"

#include <memray/mapping.h>
#include <memray/objects.h>

#include <algorithm>
#include <map>
#include <string>

#include "event_iterator.h"
#include "objects.h"
#include "records.h"

namespace memray::python {
namespace {

CaptureObject* as_capture(PyObject* object) { return reinterpret_cast<CaptureObject*>(object); }
const Capture& capture_of(PyObject* object) { return as_capture(object)->open->capture; }

// Capture(path). OSError if it cannot be read, without the file's name.
PyObject* create(PyTypeObject* type, PyObject* arguments, PyObject*) {
  return guarded([&] {
    PyObject* encoded = nullptr;
    if (PyArg_ParseTuple(arguments, "O&", PyUnicode_FSConverter, &encoded) == 0) throw PythonError{};
    const Ref path(encoded);
    Ref self(check(PyType_GenericAlloc(type, 0)));
    as_capture(self.get())->open = new OpenCapture(check_text(PyBytes_AsString(path.get())));
    return self.release();
  });
}

void deallocate(PyObject* self) {
  delete as_capture(self)->open;
  PyTypeObject* const type = Py_TYPE(self);
  PyObject_Free(self);
  Py_DECREF(reinterpret_cast<PyObject*>(type));
}

void set(const Ref& dictionary, const char* key, Ref value) {
  check(PyDict_SetItemString(dictionary.get(), key, value.get()));
}

// The number of records that events() yields.
std::uint64_t count_records(const Capture& capture) {
  const Totals& totals = capture.totals();
  const std::uint64_t plain = totals.allocations + totals.deallocations + capture.metadata().unknown_deallocations;
  if (plain == totals.events || capture.metadata().aggregated) return totals.events;
  std::uint64_t records = 0;
  capture.events(Columns::none, [&](std::span<const Event> batch) {
    for (const Event& event : batch) records += is_record(event) ? 1 : 0;
    return true;
  });
  return records;
}

// The height of the peak, counted from where the program wanted it.
std::uint64_t peak_bytes(const Capture& capture) {
  const auto& extra = capture.metadata().extra;
  const bool was_reset = std::ranges::any_of(extra, [](const auto& pair) { return pair.first == "peak_reset_ns"; });
  return was_reset && !capture.metadata().aggregated ? peak(capture).bytes : capture.totals().peak_bytes;
}

// info() -> what the capture says about the recording, as a dictionary.
PyObject* info(PyObject* self, PyObject*) {
  return guarded([&] {
    const Capture& capture = capture_of(self);
    const Metadata& metadata = capture.metadata();
    Ref result(check(PyDict_New()));
    set(result, "start_time_ns", to_python(metadata.start_time_ns));
    set(result, "end_ns", to_python(nanoseconds(metadata.end)));
    set(result, "records", to_python(count_records(capture)));
    set(result, "peak_memory", to_python(peak_bytes(capture)));
    set(result, "command_line", to_python(metadata.command_line));
    set(result, "pid", to_python(std::int64_t{metadata.pid}));
    set(result, "main_thread_id", to_python(tid_of(metadata.main_thread)));
    set(result, "python_allocator", to_python(metadata.python_allocator));
    set(result, "has_native_traces", to_python(metadata.native_traces));
    set(result, "trace_python_allocators", to_python(metadata.trace_python_allocators));
    set(result, "aggregated", to_python(metadata.aggregated));
    set(result, "frames", to_python(std::uint64_t{capture.definitions().frames()}));
    set(result, "has_objects", to_python(has_objects(capture)));
    set(result, "damage", capture.damage() ? to_python(*capture.damage()) : Ref::borrow(Py_None));
    for (const auto& [key, value] : metadata.extra) set(result, key.c_str(), to_python(value));
    return result.release();
  });
}

PyObject* events(PyObject* self, PyObject*) {
  return guarded([&] { return new_event_iterator(as_capture(self)); });
}

// object_events(addresses) -> iterator of TrackedObjectRecord
PyObject* object_events(PyObject* self, PyObject* addresses) {
  return guarded([&] { return new_object_iterator(as_capture(self), addresses); });
}

void describe(Record& record, const Group& group) {
  record.tid = tid_of(group.thread);
  record.size = group.bytes;
  record.allocator = static_cast<std::int64_t>(without_kind(group.allocator));
  record.stack_id = index(group.stack);
  record.native_stack_id = index(group.native_stack);
  record.n_allocations = group.count;
}

Ref record_list(CaptureObject* capture, const Snapshot& snapshot) {
  Ref list(check(PyList_New(static_cast<Py_ssize_t>(snapshot.groups.size()))));
  for (std::size_t i = 0; i < snapshot.groups.size(); ++i) {
    Record* const record = new_allocation_record(capture);
    check(PyList_SetItem(list.get(), static_cast<Py_ssize_t>(i), reinterpret_cast<PyObject*>(record)));
    describe(*record, snapshot.groups[i]);
  }
  return list;
}

// snapshot(view, threshold, merge_threads) -> list of AllocationRecord; view: 0 peak, 1 leaks, 2 temporary
PyObject* snapshot_of(PyObject* self, PyObject* arguments) {
  return guarded([&] {
    int view = 0;
    unsigned long long threshold = 0;
    int merge_threads = 0;
    if (PyArg_ParseTuple(arguments, "iKp", &view, &threshold, &merge_threads) == 0) throw PythonError{};
    const Selection selection{static_cast<View>(view), threshold, {}, {}};
    Snapshot result;
    {
      const WithoutGil others;
      result = snapshot(capture_of(self), selection, {merge_threads != 0});
    }
    return record_list(as_capture(self), result).release();
  });
}

Ref interval_list(const std::vector<Interval>& intervals, PyObject* make_interval) {
  Ref list(check(PyList_New(0)));
  for (const Interval& interval : intervals) {
    const auto& end = interval.deallocated_before;
    const Ref arguments =
        pack(std::uint64_t{interval.allocated_before}, end ? to_python(std::uint64_t{*end}) : Ref::borrow(Py_None),
             interval.count, interval.bytes);
    check(PyList_Append(list.get(), Ref(check(PyObject_CallObject(make_interval, arguments.get()))).get()));
  }
  return list;
}

// temporal(high_water, slots, merge_threads, Interval) -> (list of TemporalAllocationRecord, list of high water marks)
PyObject* temporal_of(PyObject* self, PyObject* arguments) {
  return guarded([&] {
    int high_water = 0;
    Py_ssize_t slots = 0;
    int merge_threads = 0;
    PyObject* make_interval = nullptr;
    if (PyArg_ParseTuple(arguments, "pnpO", &high_water, &slots, &merge_threads, &make_interval) == 0)
      throw PythonError{};
    Temporal result;
    {
      const WithoutGil others;
      result = temporal(capture_of(self), high_water != 0 ? TemporalKind::high_water : TemporalKind::leaks,
                        static_cast<std::size_t>(slots), {merge_threads != 0});
    }
    Ref records(check(PyList_New(0)));
    for (const TemporalGroup& each : result.groups) {
      const Ref record(reinterpret_cast<PyObject*>(new_temporal_record(as_capture(self))));
      describe(*reinterpret_cast<Record*>(record.get()), each.group);
      reinterpret_cast<Record*>(record.get())->intervals = interval_list(each.intervals, make_interval).release();
      check(PyList_Append(records.get(), record.get()));
    }
    Ref marks(check(PyList_New(0)));
    for (const std::uint64_t bytes : result.high_water) check(PyList_Append(marks.get(), to_python(bytes).get()));
    return pack(std::move(records), std::move(marks)).release();
  });
}

// samples(most) -> list of (milliseconds since the epoch, rss, heap)
PyObject* samples(PyObject* self, PyObject* argument) {
  return guarded([&] {
    const std::size_t most = PyLong_AsSize_t(argument);
    if (PyErr_Occurred() != nullptr) throw PythonError{};
    const Capture& capture = capture_of(self);
    Ref list(check(PyList_New(0)));
    for (const TimelinePoint& point : timeline(capture, most)) {
      const std::int64_t ms = (capture.metadata().start_time_ns + nanoseconds(point.time)) / 1'000'000;
      check(PyList_Append(list.get(), pack(ms, point.rss, point.heap).get()));
    }
    return list.release();
  });
}

// frame(stack_id) -> (function, file, line) of the innermost frame, or None
PyObject* innermost(PyObject* self, PyObject* argument) {
  return guarded([&] {
    const std::uint64_t stack = PyLong_AsUnsignedLongLong(argument);
    if (PyErr_Occurred() != nullptr) throw PythonError{};
    OpenCapture& open = *as_capture(self)->open;
    if (stack >= open.capture.definitions().stacks()) return Ref::borrow(Py_None).release();
    const Ref list = open.stacks.python(StackId{static_cast<std::uint32_t>(stack)}, 1);
    if (PyList_Size(list.get()) == 0) return Ref::borrow(Py_None).release();
    return Ref::borrow(PyList_GetItem(list.get(), 0)).release();
  });
}

// thread_name(tid) -> str
PyObject* thread_name(PyObject* self, PyObject* argument) {
  return guarded([&] {
    const long long tid = PyLong_AsLongLong(argument);
    if (PyErr_Occurred() != nullptr) throw PythonError{};
    OpenCapture& open = *as_capture(self)->open;
    return name_of_thread(open, tid).release();
  });
}

template <typename Total>
Ref totals(const std::vector<Total>& list, Ref (*convert)(const Definitions&, const Total&), const Definitions& d) {
  Ref result(check(PyList_New(0)));
  for (const Total& total : list) check(PyList_Append(result.get(), convert(d, total).get()));
  return result;
}

Ref place(const Definitions& d, const LocationTotal& total) {
  return pack(d.string(total.location.function), d.string(total.location.file), std::int64_t{total.location.line});
}
Ref by_bytes(const Definitions& d, const LocationTotal& total) { return pack(place(d, total), total.bytes); }
Ref by_count(const Definitions& d, const LocationTotal& total) { return pack(place(d, total), total.count); }
Ref package(const Definitions&, const PackageTotal& total) { return pack(total.package, total.count, total.bytes); }

// statistics(largest) -> (allocations, bytes, peak, {size: count}, {ALLOCATOR: count}, four lists of the largest)
PyObject* statistics_of(PyObject* self, PyObject* argument) {
  return guarded([&] {
    const std::size_t largest = PyLong_AsSize_t(argument);
    if (PyErr_Occurred() != nullptr) throw PythonError{};
    const Capture& capture = capture_of(self);
    Statistics result;
    {
      const WithoutGil others;
      result = statistics(capture, largest);
    }
    Ref sizes(check(PyDict_New()));
    for (const auto& [size, count] : result.count_by_size)
      check(PyDict_SetItem(sizes.get(), to_python(size).get(), to_python(count).get()));
    std::map<Allocator, std::uint64_t> by_allocator;
    for (const auto& [allocator, count] : result.count_by_allocator) by_allocator[without_kind(allocator)] += count;
    Ref allocators(check(PyDict_New()));
    for (const auto& [allocator, count] : by_allocator)
      check(PyDict_SetItem(allocators.get(), to_python(std::uint64_t{static_cast<std::uint8_t>(allocator)}).get(),
                           to_python(count).get()));
    const Definitions& d = capture.definitions();
    return pack(result.allocations, result.allocated_bytes, result.peak_bytes, std::move(sizes), std::move(allocators),
                totals(result.top_by_bytes, by_bytes, d), totals(result.top_by_count, by_count, d),
                totals(result.top_packages_by_bytes, package, d), totals(result.top_packages_by_count, package, d))
        .release();
  });
}

// on_progress(callable): it is called with fractions in [0, 1] during the passes that follow.
PyObject* on_progress(PyObject* self, PyObject* callable) {
  return guarded([&] {
    std::shared_ptr<Ref> report = std::make_shared<Ref>(Ref::borrow(callable));
    as_capture(self)->open->capture.on_progress([report](double fraction) {
      const PyGILState_STATE state = PyGILState_Ensure();
      PyObject* const result = PyObject_CallFunction(report->get(), "d", fraction);
      if (result == nullptr) PyErr_Clear();
      Py_XDECREF(result);
      PyGILState_Release(state);
    });
    return Ref::borrow(Py_None).release();
  });
}

PyMethodDef methods[] = {{"info", info, METH_NOARGS, nullptr},
                         {"events", events, METH_NOARGS, nullptr},
                         {"object_events", object_events, METH_O, nullptr},
                         {"snapshot", snapshot_of, METH_VARARGS, nullptr},
                         {"temporal", temporal_of, METH_VARARGS, nullptr},
                         {"samples", samples, METH_O, nullptr},
                         {"innermost", innermost, METH_O, nullptr},
                         {"thread_name", thread_name, METH_O, nullptr},
                         {"statistics", statistics_of, METH_O, nullptr},
                         {"on_progress", on_progress, METH_O, nullptr},
                         {nullptr, nullptr, 0, nullptr}};

PyType_Slot slots[] = {{Py_tp_new, reinterpret_cast<void*>(create)},
                       {Py_tp_dealloc, reinterpret_cast<void*>(deallocate)},
                       {Py_tp_methods, methods},
                       {0, nullptr}};
PyType_Spec spec{"memray._core.Capture", sizeof(CaptureObject), 0, Py_TPFLAGS_DEFAULT, slots};

}  // namespace

Ref name_of_thread(OpenCapture& open, std::int64_t tid) {
  if (tid == kMergedTid) return to_python("merged thread");
  const Definitions& definitions = open.capture.definitions();
  if (tid < 1 || static_cast<std::uint64_t>(tid) > definitions.threads()) return to_python("");
  const ThreadId thread{static_cast<std::uint32_t>(tid - 1)};
  return Ref::borrow(open.stacks.string(definitions.thread(thread).name));
}

void add_capture_type(PyObject* module) { add_type(module, spec); }

}  // namespace memray::python
