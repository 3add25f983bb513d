// The records that FileReader yields: plain structures behind read-only attributes, made a few million times a second.
#pragma once

#include "capture_object.h"
#include "python.h"

namespace memray::python {

// One layout for AllocationRecord, TemporalAllocationRecord and TrackedObjectRecord, which differ in what they show of
// it.
struct Record {
  PyObject_HEAD std::int64_t tid;
  std::uint64_t address;
  std::uint64_t size;
  std::int64_t allocator;
  std::int64_t stack_id;
  std::uint64_t n_allocations;
  std::int64_t native_stack_id;
  std::int64_t native_segment_generation;
  std::uint32_t name;  // of the thread at that moment, a StringId; 0: see its definition
  bool is_created;
  PyObject* intervals;     // list, or null
  CaptureObject* capture;  // null for a record that was made from a tuple
};

inline constexpr std::int64_t kMergedTid = -1;
inline std::int64_t tid_of(ThreadId thread) {
  return thread == kMergedThreads ? kMergedTid : std::int64_t{index(thread)} + 1;
}

// Creates the types and adds them to the module.
void add_record_types(PyObject* module);

// All else than `capture` is 0.
Record* new_allocation_record(CaptureObject* capture);
Record* new_temporal_record(CaptureObject* capture);
Record* new_object_record(CaptureObject* capture);

}  // namespace memray::python
