// memray._core.Recording: the process that this code runs in, recorded. A context manager over <memray/embed.h>.
//
// An empty `with` block must record nothing, not even what the interpreter does to enter and to leave it. So recording
// begins with the last thing that entering does, and ends with the first that leaving does: both are C functions
// without a frame or a tuple of arguments. The interpreter still makes a bound method for each, and frees the one for
// entering when recording has begun. Therefore `__enter__` and `__exit__` are descriptors of our own, and what they
// bind is kept by the object until recording has ended.
//
// One recording can be open in a process. Recordings are opened early, by the constructor, so that a file which cannot
// be written is known then; one that is open but not begun gives way to another that begins.

#include "recording.h"

#include <dlfcn.h>
#include <memray/embed.h>
#include <unistd.h>

#include <cstddef>
#include <vector>

#include "docs.h"
#include "objects.h"

namespace memray::python {
namespace {

constexpr int kFastCall = 0x0080;  // METH_FASTCALL, in the stable ABI since 3.10 and the same in 3.9

enum class State { idle, open, running, over };

struct RecordingObject {
  PyObject_HEAD State state;
  pid_t pid;        // that opened it
  PyObject* enter;  // bound methods, while they may be in use
  PyObject* exit;
  PyObject* command;    // str
  PyObject* arguments;  // tuple of str
  int follow_fork;
  PyObject* objects_path;  // of the capture, if it has lifetimes of objects; else None
  PyObject* survivors;     // the objects that were alive at the end
};

RecordingObject* as_recording(PyObject* object) { return reinterpret_cast<RecordingObject*>(object); }

const memray_embed* embed = nullptr;
RecordingObject* opened = nullptr;  // the one that is open or running, borrowed

struct Failure {
  char text[1024] = "";
};

[[noreturn]] void raise(PyObject* type, const char* text) {
  PyErr_SetString(type, text);
  throw PythonError{};
}

void require(int result, const Failure& why, PyObject* type = PyExc_RuntimeError) {
  if (result != 0) raise(type, why.text);
}

RecordingObject* opened_here() { return opened != nullptr && opened->pid == getpid() ? opened : nullptr; }

std::string text_of(PyObject* string) {
  PyObject* encoded = nullptr;
  if (PyUnicode_FSConverter(string, &encoded) == 0) throw PythonError{};
  const Ref bytes(encoded);
  return check_text(PyBytes_AsString(bytes.get()));
}

// Ends a recording that never began. Its output is removed.
void give_way(RecordingObject& self) {
  embed->stop(nullptr, 0);
  self.state = State::idle;
  opened = nullptr;
}

void open_now(RecordingObject& self) {
  std::vector<std::string> words;
  for (Py_ssize_t i = 0; i < PyTuple_Size(self.arguments); ++i)
    words.push_back(text_of(check(Ref::borrow(PyTuple_GetItem(self.arguments, i)).get())));
  std::vector<const char*> pointers;
  for (const std::string& word : words) pointers.push_back(word.c_str());
  pointers.push_back(nullptr);
  const std::string command = text_of(self.command);
  const memray_embed_options options{sizeof options, self.follow_fork != 0 ? MEMRAY_EMBED_FOLLOW_FORK : 0,
                                     command.c_str(), pointers.data()};
  Failure why;
  require(embed->open(&options, why.text, sizeof why.text), why, PyExc_OSError);
  self.state = State::open;
  self.pid = getpid();
  opened = &self;
}

// _open(command, arguments, follow_fork, objects_path). OSError if it cannot be.
PyObject* prepare(PyObject* self, PyObject* arguments) {
  return guarded([&] {
    RecordingObject& recording = *as_recording(self);
    PyObject* command = nullptr;
    PyObject* words = nullptr;
    if (PyArg_ParseTuple(arguments, "OO!pO", &command, &PyTuple_Type, &words, &recording.follow_fork,
                         &recording.objects_path) == 0)
      throw PythonError{};
    Py_INCREF(recording.objects_path);
    recording.command = Ref::borrow(command).release();
    recording.arguments = Ref::borrow(words).release();
    if (opened_here() == nullptr && embed->is_recording() == 0) open_now(recording);
    return Ref::borrow(Py_None).release();
  });
}

void call(PyObject* self, const char* method) { const Ref done(check(PyObject_CallMethod(self, method, nullptr))); }

PyObject* enter(PyObject* self, PyObject* const*, Py_ssize_t) {
  return guarded([&] {
    RecordingObject& recording = *as_recording(self);
    if (embed->is_recording() != 0)
      raise(PyExc_RuntimeError, "No more than one Tracker instance can be active at the same time");
    if (recording.state == State::over || recording.state == State::running)
      raise(PyExc_RuntimeError, "Attempting to use stale output handle: a Tracker records once");
    if (recording.command == nullptr) raise(PyExc_RuntimeError, "this Tracker was not initialized");
    if (recording.state == State::open && recording.pid != getpid()) recording.state = State::idle;
    if (RecordingObject* const other = opened_here(); other != nullptr && other != &recording) give_way(*other);
    if (recording.state == State::idle) open_now(recording);
    call(self, "_before");
    Failure why;
    recording.state = State::running;
    if (embed->start(why.text, sizeof why.text) != 0) {
      give_way(recording);
      recording.state = State::over;
      raise(PyExc_RuntimeError, why.text);
    }
    return Ref::borrow(self).release();
  });
}

bool tracks_objects(const RecordingObject& self) {
  return self.objects_path != nullptr && self.objects_path != Py_None;
}

// After embed->leave(). Others may run while the collector writes, except where they could destroy objects that the
// capture says are alive.
void end(RecordingObject& self) {
  self.state = State::over;
  if (opened == &self) opened = nullptr;
  Failure why;
  if (!tracks_objects(self)) {
    const WithoutGil others;
    if (embed->finish(why.text, sizeof why.text) == 0) return;
  } else if (embed->finish(why.text, sizeof why.text) == 0) {
    const std::string path = text_of(self.objects_path);
    self.survivors = survivors(self.pid == getpid() ? path : path + "." + std::to_string(getpid())).release();
    return;
  }
  raise(PyExc_RuntimeError, why.text);
}

PyObject* exit(PyObject* self, PyObject* const*, Py_ssize_t) {
  RecordingObject& recording = *as_recording(self);
  return guarded([&] {
    const bool was_running = recording.state == State::running;
    if (was_running) embed->leave();
    if (was_running) call(self, "_after");
    const Ref kept[] = {Ref(std::exchange(recording.enter, nullptr)), Ref(std::exchange(recording.exit, nullptr))};
    if (was_running) end(recording);
    return Ref::borrow(Py_None).release();
  });
}

// ---------------------------------------------------------------------------------- __enter__ and __exit__

using FastFunction = PyObject* (*)(PyObject*, PyObject* const*, Py_ssize_t);

PyCFunction as_function(FastFunction function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}
PyMethodDef enter_definition{"__enter__", as_function(enter), kFastCall, docs::kEnter};
PyMethodDef exit_definition{"__exit__", as_function(exit), kFastCall, docs::kExit};

struct MethodObject {
  PyObject_HEAD bool enters;
};

PyTypeObject* recording_type = nullptr;

// The bound method, which the recording keeps.
PyObject* bind(PyObject* method, PyObject* self, PyObject*) {
  if (self == nullptr || self == Py_None) return Ref::borrow(method).release();
  return guarded([&] {
    const bool enters = reinterpret_cast<MethodObject*>(method)->enters;
    RecordingObject& recording = *as_recording(self);
    PyObject*& bound = enters ? recording.enter : recording.exit;
    if (bound == nullptr) bound = check(PyCFunction_New(enters ? &enter_definition : &exit_definition, self));
    return Ref::borrow(bound).release();
  });
}

// As contextlib.ExitStack does it: type(tracker).__enter__(tracker).
PyObject* call_method(PyObject* method, PyObject* arguments, PyObject*) {
  return guarded([&] {
    PyObject* const self = PyTuple_Size(arguments) > 0 ? PyTuple_GetItem(arguments, 0) : nullptr;
    if (self == nullptr || PyObject_IsInstance(self, reinterpret_cast<PyObject*>(recording_type)) != 1)
      raise(PyExc_TypeError, "this is a method of Tracker");
    return reinterpret_cast<MethodObject*>(method)->enters ? enter(self, nullptr, 0) : exit(self, nullptr, 0);
  });
}

void deallocate_method(PyObject* self) {
  PyTypeObject* const type = Py_TYPE(self);
  PyObject_Free(self);
  Py_DECREF(reinterpret_cast<PyObject*>(type));
}

PyType_Slot method_slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(deallocate_method)},
                              {Py_tp_descr_get, reinterpret_cast<void*>(bind)},
                              {Py_tp_call, reinterpret_cast<void*>(call_method)},
                              {0, nullptr}};
PyType_Spec method_spec{"memray._core.Method", sizeof(MethodObject), 0, Py_TPFLAGS_DEFAULT, method_slots};

void add_method(PyTypeObject* method_type, const char* name, bool enters) {
  const Ref method(check(PyType_GenericAlloc(method_type, 0)));
  reinterpret_cast<MethodObject*>(method.get())->enters = enters;
  check(PyObject_SetAttrString(reinterpret_cast<PyObject*>(recording_type), name, method.get()));
}

// ------------------------------------------------------------------------------------------------ the type

int traverse(PyObject* self, visitproc visit, void* arg) {
  RecordingObject& recording = *as_recording(self);
  Py_VISIT(recording.enter);
  Py_VISIT(recording.exit);
  Py_VISIT(recording.arguments);
  Py_VISIT(recording.survivors);
  Py_VISIT(reinterpret_cast<PyObject*>(Py_TYPE(self)));
  return 0;
}

int clear(PyObject* self) {
  RecordingObject& recording = *as_recording(self);
  Py_CLEAR(recording.enter);
  Py_CLEAR(recording.exit);
  Py_CLEAR(recording.command);
  Py_CLEAR(recording.arguments);
  Py_CLEAR(recording.objects_path);
  Py_CLEAR(recording.survivors);
  return 0;
}

void deallocate(PyObject* self) {
  PyObject_GC_UnTrack(self);
  RecordingObject& recording = *as_recording(self);
  if (opened_here() == &recording) embed->stop(nullptr, 0);
  if (opened == &recording) opened = nullptr;
  clear(self);
  PyTypeObject* const type = Py_TYPE(self);
  reinterpret_cast<freefunc>(PyType_GetSlot(type, Py_tp_free))(self);
  Py_DECREF(reinterpret_cast<PyObject*>(type));
}

// Requests to the collector of the recording that runs. RuntimeError if it is not this one.
template <int (*memray_embed::*Request)(char*, std::size_t)>
PyObject* request(PyObject* self, PyObject*) {
  return guarded([&] {
    if (as_recording(self)->state != State::running || embed->is_recording() == 0)
      raise(PyExc_RuntimeError, "this Tracker is not recording");
    Failure why;
    require((embed->*Request)(why.text, sizeof why.text), why);
    return Ref::borrow(Py_None).release();
  });
}

// _is_ready(): whether somebody takes what is recorded. OSError if the collector has ended.
PyObject* is_ready(PyObject* self, PyObject*) {
  return guarded([&] {
    const int ready = opened_here() == as_recording(self) ? embed->ready() : 1;
    if (ready < 0) raise(PyExc_OSError, "the process that sends the recording has ended");
    return Ref::borrow(ready != 0 ? Py_True : Py_False).release();
  });
}

PyMethodDef methods[] = {{"_open", prepare, METH_VARARGS, nullptr},
                         {"_is_ready", is_ready, METH_NOARGS, nullptr},
                         {"_flush", request<&memray_embed::flush>, METH_NOARGS, nullptr},
                         {"_reset_peak", request<&memray_embed::reset_peak>, METH_NOARGS, nullptr},
                         {nullptr, nullptr, 0, nullptr}};

PyMemberDef members[] = {{"_state", T_INT, offsetof(RecordingObject, state), READONLY, nullptr},
                         {"_survivors", T_OBJECT, offsetof(RecordingObject, survivors), READONLY, nullptr},
                         {nullptr, 0, 0, 0, nullptr}};

PyType_Slot slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(deallocate)},
                       {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
                       {Py_tp_clear, reinterpret_cast<void*>(clear)},
                       {Py_tp_methods, methods},
                       {Py_tp_members, members},
                       {0, nullptr}};
PyType_Spec spec{"memray._core.Recording", sizeof(RecordingObject), 0,
                 Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};

// ------------------------------------------------------------------------------------------------ functions

// load_recorder(path)
PyObject* load_recorder(PyObject*, PyObject* path) {
  return guarded([&] {
    if (embed != nullptr) return Ref::borrow(Py_None).release();
    void* const recorder = dlopen(text_of(path).c_str(), RTLD_NOW | RTLD_LOCAL);
    if (recorder == nullptr) raise(PyExc_OSError, dlerror());
    embed = static_cast<const memray_embed*>(dlsym(recorder, "memray_embed"));
    if (embed == nullptr) raise(PyExc_OSError, dlerror());
    return Ref::borrow(Py_None).release();
  });
}

// active_recording() -> the Recording that is recording this process, or None
PyObject* active_recording(PyObject*, PyObject*) {
  RecordingObject* const active = opened;
  if (active == nullptr || active->state != State::running || embed->is_recording() == 0)
    return Ref::borrow(Py_None).release();
  return Ref::borrow(reinterpret_cast<PyObject*>(active)).release();  // in a followed child, too
}

// ignore(bool): whether what this thread allocates is left out. Calls nest.
PyObject* ignore(PyObject*, PyObject* on) {
  if (embed != nullptr) embed->ignore(PyObject_IsTrue(on));
  return Ref::borrow(Py_None).release();
}

// Called with a Thread and a name, for what setting a Thread's name calls, which is `self`.
PyObject* rename_thread(PyObject* set, PyObject* arguments) {
  return guarded([&] {
    Ref result(check(PyObject_CallObject(set, arguments)));
    PyObject* const thread = PyTuple_Size(arguments) > 0 ? PyTuple_GetItem(arguments, 0) : nullptr;
    if (thread == nullptr || embed->is_recording() == 0) return result.release();
    embed->ignore(1);
    const Ref id(PyObject_GetAttrString(thread, "_native_id"));
    const Ref name(PyObject_GetAttrString(thread, "_name"));
    const Ref text(name.get() != nullptr ? PyUnicode_AsUTF8String(name.get()) : nullptr);
    const bool started = text.get() != nullptr && id.get() != nullptr && PyLong_Check(id.get()) != 0;
    const auto number = started ? static_cast<std::uint32_t>(PyLong_AsUnsignedLong(id.get())) : 0;
    PyErr_Clear();
    embed->ignore(0);
    if (started) embed->name_thread(number, PyBytes_AsString(text.get()));
    return result.release();
  });
}
PyMethodDef rename_definition{"rename_thread", rename_thread, METH_VARARGS, nullptr};

// renaming(function) -> what does the same and tells the recording.
PyObject* renaming(PyObject*, PyObject* function) { return PyCFunction_New(&rename_definition, function); }

PyMethodDef functions[] = {{"load_recorder", load_recorder, METH_O, nullptr},
                           {"active_recording", active_recording, METH_NOARGS, nullptr},
                           {"ignore", ignore, METH_O, nullptr},
                           {"renaming", renaming, METH_O, nullptr},
                           {nullptr, nullptr, 0, nullptr}};

}  // namespace

void add_recording_type(PyObject* module) {
  recording_type = add_type(module, spec);
  PyTypeObject* const method_type = reinterpret_cast<PyTypeObject*>(check(PyType_FromSpec(&method_spec)));
  add_method(method_type, "__enter__", true);
  add_method(method_type, "__exit__", false);
  check(PyModule_AddFunctions(module, functions));
}

}  // namespace memray::python
