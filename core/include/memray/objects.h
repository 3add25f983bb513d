// Python objects: which were made while recording, by which code, and which of them are still there.
//
// Recorded with --track-object-lifetimes by interpreters that have a reference tracer (CPython 3.13.3 and later).
// Objects are not allocations: some live in memory that was allocated long before, some share one block with others.
#pragma once

#include <memray/capture.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace memray {

struct ObjectEvent {
  bool created = true;       // else destroyed
  std::uint64_t number = 0;  // of the object: 0, 1, 2, ... over the capture, in order of creation
  std::uint64_t address = 0;
  ThreadId thread{};  // the one that made or destroyed it
  Time time{};        // resolution 100 microseconds
  // Of its creation, also where it is destroyed.
  StringId type = kNoString;  // the type's own name, "Foo"; builtin types of modules: "collections.deque"
  StackId stack = kNoStack;
  StackId native_stack = kNoStack;
};

// Whether the lifetimes of objects were recorded.
bool has_objects(const Capture& capture);

// Reads creations and destructions in order. Objects made before recording have no events.
class ObjectReader {
 public:
  explicit ObjectReader(const Capture& capture);
  ~ObjectReader();
  ObjectReader(const ObjectReader&) = delete;
  ObjectReader& operator=(const ObjectReader&) = delete;

  // The next few thousand, good until the next call; empty at the end.
  std::span<const ObjectEvent> next();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Calls `receive` with creations and destructions in order, a few thousand at a time, until it returns false.
void objects(const Capture& capture, const std::function<bool(std::span<const ObjectEvent>)>& receive);

// Objects of one type that one stack made.
struct ObjectGroup {
  StringId type = kNoString;
  StackId stack = kNoStack;
  StackId native_stack = kNoStack;
  std::uint64_t created = 0;
  std::uint64_t surviving = 0;  // at the end of recording
};

// All of them, those with most survivors first.
std::vector<ObjectGroup> object_groups(const Capture& capture);

}  // namespace memray
