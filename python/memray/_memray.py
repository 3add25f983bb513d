"""The names of this package under the path by which other projects know them."""

from ._core import AllocationRecord, TemporalAllocationRecord, TrackedObjectRecord, size_fmt
from ._destination import Destination, FileDestination, SocketDestination
from ._enums import RTLD_DEFAULT, RTLD_NOW, AllocatorType, FileFormat, PymallocDomain, SymbolicSupport
from ._log import set_log_level
from ._metadata import Metadata
from ._reader import FileReader, Interval, MemorySnapshot, compute_statistics, dump_all_records
from ._socket import SocketReader
from ._stats import Stats
from ._symbols import get_symbolic_support
from ._tracker import Tracker, start_thread_trace

__all__ = [
    "AllocationRecord",
    "AllocatorType",
    "Destination",
    "FileDestination",
    "FileFormat",
    "FileReader",
    "Interval",
    "MemorySnapshot",
    "Metadata",
    "PymallocDomain",
    "RTLD_DEFAULT",
    "RTLD_NOW",
    "SocketDestination",
    "SocketReader",
    "Stats",
    "SymbolicSupport",
    "TemporalAllocationRecord",
    "TrackedObjectRecord",
    "Tracker",
    "compute_statistics",
    "dump_all_records",
    "get_symbolic_support",
    "set_log_level",
    "size_fmt",
    "start_thread_trace",
]
