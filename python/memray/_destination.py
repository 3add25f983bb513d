"""Where a recording goes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Union


@dataclass(frozen=True)
class Destination:
    """What ``Tracker(destination=...)`` takes: a FileDestination or a SocketDestination.

    Example::

        def record_to(destination: memray.Destination) -> memray.Tracker:
            return memray.Tracker(destination=destination)
    """


@dataclass(frozen=True)
class FileDestination(Destination):
    """A capture file.

    ``overwrite`` allows an existing file to be replaced. ``/dev/null`` records without writing. Captures are always
    compressed, and written by a process of their own, so ``compress_on_exit`` and ``buffered`` change nothing.

    Example::

        Tracker(destination=FileDestination("capture.bin", overwrite=True))
    """

    path: Union[str, "os.PathLike[str]"]
    overwrite: bool = False
    compress_on_exit: bool = True
    buffered: bool = False


@dataclass(frozen=True)
class SocketDestination(Destination):
    """A port at which readers may connect, such as ``SocketReader`` or ``memray live``.

    The Tracker's constructor waits for the first. Readers of the same user on the same machine need no token; for others
    ``$MEMRAY_LIVE_TOKEN`` is one. ``address`` is of this machine, in numbers. OSError if the port is taken.

    Example::

        Tracker(destination=SocketDestination(server_port=4242))
    """

    server_port: int
    address: str = "127.0.0.1"
