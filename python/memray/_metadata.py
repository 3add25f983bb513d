"""What a capture says about its recording."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ._enums import FileFormat


@dataclass
class Metadata:
    """About a recording as a whole.

    - ``start_time``, ``end_time``: aware, in the local time zone, to the millisecond
    - ``total_allocations``: records in the capture, deallocations included
    - ``total_frames``: distinct frames seen
    - ``peak_memory``: highest sum of live recorded allocations, in bytes
    - ``command_line``: ``sys.argv``, joined by spaces
    - ``pid``: of the recorded process
    - ``main_thread_id``: ``tid`` of the thread that began the recording
    - ``python_allocator``: "pymalloc", "malloc", "mimalloc", with " debug" where that was on; "unknown" if not known
    - ``has_native_traces``, ``trace_python_allocators``, ``file_format``: as they were asked for

    Example::

        seconds = (reader.metadata.end_time - reader.metadata.start_time).total_seconds()
    """

    start_time: datetime
    end_time: datetime
    total_allocations: int
    total_frames: int
    peak_memory: int
    command_line: str
    pid: int
    main_thread_id: int
    python_allocator: str
    has_native_traces: bool
    trace_python_allocators: bool
    file_format: FileFormat
