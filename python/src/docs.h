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

The other attributes are those of ``AllocationRecord``.)";

inline constexpr char kTrackedObjectRecord[] =
    R"(The birth (``is_created``) or death of a Python object; ``address`` is its ``id()``.

The other attributes are those of ``AllocationRecord``.)";

inline constexpr char kStackTrace[] =
    R"(stack_trace(max_stacks=None) -> list of (function, file, line)

The Python stack, innermost frame first, down to the frame that entered the tracker;
at most ``max_stacks`` frames of it.

Raises NotImplementedError for FREE and MUNMAP: no stacks are recorded for them.)";

inline constexpr char kNativeStackTrace[] =
    R"(native_stack_trace(max_stacks=None) -> list of (symbol, file, line)

The native stack, innermost frame first, inlined functions expanded; empty if native
stacks were not recorded. Where there is no symbol, "<unknown>"; no line, 0.

Raises NotImplementedError for FREE and MUNMAP.)";

inline constexpr char kHybridStackTrace[] =
    R"(hybrid_stack_trace(max_stacks=None) -> list of (function, file, line)

Python and native frames in the order in which they called each other, innermost first;
the Python stack if native stacks were not recorded.

Raises NotImplementedError for FREE and MUNMAP.)";

inline constexpr char kEnter[] = "Begins recording: the last thing that this does. Returns the Tracker.";
inline constexpr char kExit[] = "Ends recording: the first thing that this does. Returns when the capture is complete.";

inline constexpr char kSizeFormat[] =
    R"(size_fmt(num, suffix="B") -> str

A number of bytes for people, in SI units: size_fmt(8986) is "8.986kB".)";

}  // namespace memray::python::docs
