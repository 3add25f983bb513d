"""Reading a recording from the network while it is made."""

from __future__ import annotations

from types import TracebackType
from typing import Iterator, Optional, Type

from ._core import AllocationRecord
from ._errors import MemrayError

_MISSING = (
    "this version of memray does not send recordings over the network; "
    "record into a file and read Tracker.snapshot() or memray.snapshot(path) while it is made"
)


class SocketReader:
    """A recording that a Tracker with a SocketDestination sends. Not available in this version: entering raises MemrayError."""

    def __init__(self, port: int, *, address: str = "127.0.0.1") -> None:
        self.port = port
        self.address = address
        self.command_line: Optional[str] = None
        self.pid: Optional[int] = None
        self.has_native_traces = False
        self.is_active = False

    def __enter__(self) -> SocketReader:
        raise MemrayError(_MISSING)

    def __exit__(
        self,
        exc_type: Optional[Type[BaseException]],
        exc_value: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.is_active = False

    def get_current_snapshot(self, *, merge_threads: bool) -> Iterator[AllocationRecord]:
        """Yields what is live now; nothing outside of the context."""
        return iter(())
