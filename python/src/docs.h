// What help() says about the types and functions that are written in C++.
#pragma once

namespace memray::python::docs {

inline constexpr char kAllocationRecord[] =
    R"(One allocation or deallocation, or, in aggregated views, all allocations that one stack made.

Attributes, all integers but the last:

- ``tid``: number of the thread in the capture, from 1; -1 where threads are merged
- ``address``: of the block; 0 in aggregated records
- ``size``: bytes requested; 0 for a free, the length for munmap
- ``allocator``: a number of ``memray.AllocatorType``
- ``stack_id``, ``native_stack_id``: equal for equal stacks; 0 for none
- ``n_allocations``: how many allocations this record stands for
- ``thread_name``: "" if the thread had none, "merged thread" where threads are merged

Example::

    with memray.FileReader("capture.bin") as reader:
        for record in reader.get_high_watermark_allocation_records():
            print(record.size, record.stack_trace(max_stacks=1)))";

inline constexpr char kTemporalAllocationRecord[] =
    R"(What one stack held over time: ``intervals`` is a list of ``memray.Interval``.

The other attributes are those of ``AllocationRecord``.

Example::

    for record in reader.get_temporal_allocation_records():
        print(sum(interval.n_bytes for interval in record.intervals), record.stack_trace(1)))";

inline constexpr char kTrackedObjectRecord[] =
    R"(The birth (``is_created``) or death of a Python object; ``address`` is its ``id()``.

The other attributes are those of ``AllocationRecord``.

Example::

    for event in reader.get_object_lifetime_events():
        print("made" if event.is_created else "gone", hex(event.address)))";

inline constexpr char kStackTrace[] =
    R"(stack_trace(max_stacks=None) -> list of (function, file, line)

The Python stack, innermost frame first, down to the frame that entered the tracker;
at most ``max_stacks`` frames of it.

Raises NotImplementedError for FREE and MUNMAP: no stacks are recorded for them.

Example::

    function, file, line = record.stack_trace(max_stacks=1)[0])";

inline constexpr char kNativeStackTrace[] =
    R"(native_stack_trace(max_stacks=None) -> list of (symbol, file, line)

The native stack, innermost frame first, inlined functions expanded; empty if native
stacks were not recorded. Where there is no symbol, "<unknown>"; no line, 0.

Raises NotImplementedError for FREE and MUNMAP.

Example::

    symbols = [symbol for symbol, file, line in record.native_stack_trace()])";

inline constexpr char kHybridStackTrace[] =
    R"(hybrid_stack_trace(max_stacks=None) -> list of (function, file, line)

Python and native frames in the order in which they called each other, innermost first;
the Python stack if native stacks were not recorded.

Raises NotImplementedError for FREE and MUNMAP.

Example::

    for function, file, line in record.hybrid_stack_trace():
        print(f"{function} at {file}:{line}"))";

inline constexpr char kEnter[] = R"(Begins recording: the last thing that this does. Returns the Tracker.

RuntimeError if another Tracker is active, or if this one has recorded before.

Example::

    tracker = memray.Tracker("capture.bin")
    with tracker:
        work())";
inline constexpr char kExit[] = R"(Ends recording: the first thing that this does. Returns when the capture is complete.

RuntimeError if it could not be written to its end. Does nothing without a recording.

Example::

    tracker.__exit__(None, None, None))";

inline constexpr char kSizeFormat[] =
    R"(size_fmt(num, suffix="B") -> str

A number of bytes for people, in SI units.

Example::

    memray.size_fmt(8986)  # "8.986kB")";

}  // namespace memray::python::docs
