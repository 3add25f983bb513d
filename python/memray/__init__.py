"""memray: where a Python program's memory goes.

Record a program with ``memray run program.py``, and look at the recording with ``memray flamegraph`` or here::

    with memray.FileReader("capture.bin") as reader:
        for record in reader.get_high_watermark_allocation_records():
            print(record.size, record.stack_trace(max_stacks=1))

All sizes are bytes.
"""

from __future__ import annotations

from ._core import AllocationRecord, TemporalAllocationRecord, TrackedObjectRecord, size_fmt
from ._destination import Destination, FileDestination, SocketDestination
from ._enums import RTLD_DEFAULT, RTLD_NOW, AllocatorType, FileFormat, PymallocDomain, SymbolicSupport
from ._errors import MemrayCommandError, MemrayError
from ._log import set_log_level
from ._metadata import Metadata
from ._reader import FileReader, Interval, MemorySnapshot, compute_statistics, dump_all_records
from ._stats import Stats
from ._symbols import get_symbolic_support
from ._version import __version__

__all__ = [
    "AllocationRecord",
    "AllocatorType",
    "Destination",
    "FileDestination",
    "FileFormat",
    "FileReader",
    "Interval",
    "MemorySnapshot",
    "MemrayCommandError",
    "MemrayError",
    "Metadata",
    "PymallocDomain",
    "RTLD_DEFAULT",
    "RTLD_NOW",
    "SocketDestination",
    "Stats",
    "SymbolicSupport",
    "TemporalAllocationRecord",
    "TrackedObjectRecord",
    "__version__",
    "compute_statistics",
    "dump_all_records",
    "get_symbolic_support",
    "set_log_level",
    "size_fmt",
]
