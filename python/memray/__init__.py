"""memray: where a Python program's memory goes.

Record::

    import memray

    with memray.Tracker("capture.bin"):
        rows = [bytes(1000) for _ in range(1000)]

and look at what was recorded, with ``memray flamegraph capture.bin`` or here::

    with memray.FileReader("capture.bin") as reader:
        for record in reader.get_high_watermark_allocation_records():
            print(record.size, record.stack_trace(max_stacks=1))

All sizes are bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._core import AllocationRecord, TemporalAllocationRecord, TrackedObjectRecord, size_fmt
from ._enums import RTLD_DEFAULT, RTLD_NOW, AllocatorType, FileFormat, PymallocDomain, SymbolicSupport
from ._errors import MemrayCommandError, MemrayError
from ._log import set_log_level
from ._reader import FileReader, Interval, MemorySnapshot, compute_statistics, dump_all_records
from ._symbols import get_symbolic_support
from ._tracker import Tracker, snapshot, start_thread_trace
from ._version import __version__

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from ._destination import Destination, FileDestination, SocketDestination
    from ._metadata import Metadata
    from ._socket import SocketReader
    from ._stats import Stats

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
    "SocketReader",
    "Stats",
    "SymbolicSupport",
    "TemporalAllocationRecord",
    "TrackedObjectRecord",
    "Tracker",
    "__version__",
    "compute_statistics",
    "dump_all_records",
    "get_symbolic_support",
    "load_ipython_extension",
    "set_log_level",
    "size_fmt",
    "snapshot",
    "start_thread_trace",
]


# Dataclasses, and what sockets need, take longer to import than all the rest.
_LATER = {
    "Destination": "_destination",
    "FileDestination": "_destination",
    "Metadata": "_metadata",
    "SocketDestination": "_destination",
    "SocketReader": "_socket",
    "Stats": "_stats",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f".{_LATER[name]}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Adds memray's magics to an IPython shell: ``%load_ext memray``.

    They are ``%%memray_flamegraph``, ``%%memray_table`` and ``%memray_summary``.

    Example::

        memray.load_ipython_extension(get_ipython())
    """
    from ._ipython import load

    load(shell)
