// Python objects: which were made while recording, by which code, and which of them are still there.
//
// Recorded with --track-object-lifetimes by interpreters that have a reference tracer (CPython 3.13.3 and later).
// Objects are not allocations: some live in memory that was allocated long before, some share one block with others.
#pragma once

#include <memray/capture.h>

#include <cstdint>
#include <functional>
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

// Calls `receive` with creations and destructions in order, a few thousand at a time, until it returns false. Objects
// made before recording have no events.
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
