"""Reading a recording while it is made.

What the server sends is a capture, so it is kept as one, in a file of whole blocks, and looked at by the code that reads
captures. When the file has grown a lot, a new connection takes the place of the old one: what it brings begins with all
that was before, added up. docs/live.md has the protocol.
"""

from __future__ import annotations

import os
import socket
import struct
import tempfile
import threading
import time
from types import TracebackType
from typing import Iterator, List, Optional, Tuple, Type

from ._core import AllocationRecord, Capture
from ._errors import MemrayError
from ._reader import LEAKS

_MAGIC = b"MRAYLIVE"
_VERSION = 1
_REFUSALS = {
    1: "another version of memray",
    2: "of another user or machine: its token is needed, see SocketReader(token=...)",
    3: "watched by too many already",
}
_FILE = b"\x93MRAY\r\n\x1a"
_FILE_HEADER = 16
_BLOCK = b"MBLK"
_BLOCK_HEADER = 16
_TAIL = 24
_BETWEEN_TRIES = 0.5
_GREETING_TIME = 5.0
_ARRIVAL_TIME = 0.1  # within which what was sent is here, as samples are sent every 10 ms by default
_MOST_BYTES = 64 << 20  # of a file, unless it began with more than a quarter of that


def _same_user(connection: socket.socket) -> bool:
    peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return bool(struct.unpack("3i", peer)[1] == os.geteuid())


def _connect_local(port: int) -> Optional[socket.socket]:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(f"\0memray-live-{port}")
        if _same_user(connection):
            return connection
    except OSError:
        pass
    connection.close()
    return None


def _greet(connection: socket.socket, token: str) -> bool:
    """False if nobody answered. MemrayError if we are refused."""
    connection.settimeout(_GREETING_TIME)
    connection.sendall(_MAGIC + struct.pack("<H6x32s", _VERSION, token.encode()))
    answer = b""
    while len(answer) < 16:
        part = connection.recv(16 - len(answer))
        if not part:
            return False
        answer += part
    if not answer.startswith(_MAGIC):
        raise MemrayError("what answers there is not memray")
    refusal = struct.unpack_from("<H", answer, 10)[0]
    if refusal != 0:
        raise MemrayError(f"the recording is {_REFUSALS.get(refusal, 'not for us')}")
    connection.settimeout(None)
    return True


def _connect(address: str, port: int, token: str) -> Optional[socket.socket]:
    """None if nobody is there."""
    connection = _connect_local(port) if address in ("127.0.0.1", "localhost", "::1") else None
    try:
        connection = connection or socket.create_connection((address, port), timeout=_GREETING_TIME)
        if _greet(connection, token):
            return connection
    except MemrayError:
        if connection is not None:
            connection.close()
        raise
    except OSError:
        pass
    if connection is not None:
        connection.close()
    return None


def _part(data: bytearray, start: int) -> Tuple[int, bool]:
    """The size of the part that begins at ``start``, 0 if it is not there as a whole, and whether a capture begins with it."""
    begins = data.startswith(_FILE, start)
    if begins:
        size = _FILE_HEADER
    elif not data.startswith(_BLOCK, start):
        size = _TAIL
    elif len(data) - start >= _BLOCK_HEADER:
        header, _, _, payload = struct.unpack_from("<HBBI", data, start + len(_BLOCK))
        size = header + payload
    else:
        return 0, False
    return (size if start + size <= len(data) else 0), begins


class SocketReader:
    """What is live in a process that a Tracker with a SocketDestination records, or ``memray run --sink=socket``.

    Entering connects, trying every half second until somebody serves a recording at ``port``. A process of the same user
    on the same machine needs no ``token``. ``command_line``, ``pid`` and ``has_native_traces`` are of the recorded process;
    ``is_active`` is true as long as more may come.

    ValueError when entered twice at a time; MemrayError if the server refuses.

    Example::

        with memray.SocketReader(4242) as reader:
            while reader.is_active:
                print(sum(record.size for record in reader.get_current_snapshot(merge_threads=True)))
                time.sleep(1)
    """

    def __init__(self, port: int, *, address: str = "127.0.0.1", token: Optional[str] = None) -> None:
        self.port = port
        self.address = address
        self.token = os.environ.get("MEMRAY_LIVE_TOKEN", "") if token is None else token
        self.command_line: Optional[str] = None
        self.pid: Optional[int] = None
        self.has_native_traces = False
        self.is_active = False
        self._folder: Optional[tempfile.TemporaryDirectory[str]] = None
        self._path = ""

    def __enter__(self) -> SocketReader:
        """Connects, see above, and returns the reader.

        Example::

            with memray.SocketReader(4242) as reader:
                print(reader.pid, reader.command_line)
        """
        if self._folder is not None:
            raise ValueError("Can not enter the context of a SocketReader object more than once, at the same time.")
        connection = _connect(self.address, self.port, self.token)
        while connection is None:
            time.sleep(_BETWEEN_TRIES)
            connection = _connect(self.address, self.port, self.token)
        self._folder = tempfile.TemporaryDirectory(prefix="memray-live-")
        self._connection: socket.socket = connection
        self._lock = threading.Lock()
        self._arrival = threading.Condition(self._lock)
        self._arrived = 0
        self._begun = threading.Event()
        self._leaving = False
        self._files = 0
        self._bytes = self._first_bytes = 0
        self.is_active = True
        self._thread = threading.Thread(target=self._receive, name="memray.SocketReader", daemon=True)
        self._thread.start()
        self._begun.wait()
        if self._bytes == 0:
            self._leave()
            raise MemrayError("the recording ended before it began")
        with self._lock:
            info = Capture(self._path).info()
        self.command_line = info["command_line"]
        self.pid = info["pid"]
        self.has_native_traces = info["has_native_traces"]
        return self

    def __exit__(
        self,
        exc_type: Optional[Type[BaseException]],
        exc_value: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        """Disconnects. The process that is watched goes on.

        Example::

            with memray.SocketReader(4242) as reader:
                pass
            assert not reader.is_active
        """
        if self._folder is not None:
            self._leave()

    def _leave(self) -> None:
        self._leaving = True
        try:
            self._connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._thread.join()
        self.is_active = False
        if self._folder is not None:
            self._folder.cleanup()
        self._folder = None

    def _receive(self) -> None:
        data = bytearray()
        try:
            while True:
                part = self._connection.recv(1 << 20)
                if not part:
                    break
                data += part
                with self._arrival:
                    self._take(data)
                    self._arrival.notify_all()
                if self._bytes > max(_MOST_BYTES, 4 * self._first_bytes) and self._begin_anew():
                    data.clear()
        except OSError:
            pass
        finally:
            self.is_active = False
            self._connection.close()
            self._begun.set()
            with self._arrival:
                self._arrival.notify_all()

    def _take(self, data: bytearray) -> None:
        """Writes down the whole parts that have come."""
        end = 0
        parts: List[bytearray] = []
        while True:
            size, begins = _part(data, end)
            if size == 0:
                break
            if begins:
                self._write(parts)
                parts = []
                self._files += 1
                self._path = os.path.join(self._current_folder(), f"{self._files}.bin")
                self._bytes = self._first_bytes = 0
            parts.append(data[end : end + size])
            end += size
        self._write(parts)
        del data[:end]

    def _current_folder(self) -> str:
        assert self._folder is not None
        return self._folder.name

    def _write(self, parts: List[bytearray]) -> None:
        if not parts:
            return
        with open(self._path, "ab") as file:
            file.write(b"".join(parts))
        self._bytes += sum(map(len, parts))
        self._arrived += len(parts)
        if self._bytes > _FILE_HEADER and not self._first_bytes:
            self._first_bytes = self._bytes
            self._begun.set()
        previous = os.path.join(self._current_folder(), f"{self._files - 1}.bin")
        if os.path.exists(previous):
            os.unlink(previous)

    def _begin_anew(self) -> bool:
        try:
            connection = _connect(self.address, self.port, self.token)
        except MemrayError:
            connection = None
        self._first_bytes = self._bytes  # if it was in vain, not again at once
        if connection is None or self._leaving:
            return False
        self._connection, old = connection, self._connection
        old.close()
        if self._leaving:
            connection.shutdown(socket.SHUT_RDWR)
        return True

    def get_current_snapshot(self, *, merge_threads: bool) -> Iterator[AllocationRecord]:
        """Yields what is live now, one record for each stack; nothing outside of the context.

        Example::

            largest = max(reader.get_current_snapshot(merge_threads=True), key=lambda record: record.size)
        """
        if self._folder is None:
            return
        with self._arrival:
            # What the process did before now comes with one of the next parts, also if the first are of its beginning.
            enough = self._arrived + 4
            self._arrival.wait_for(lambda: self._arrived >= enough or not self.is_active, _ARRIVAL_TIME)
            records = list(Capture(self._path).snapshot(LEAKS, 0, merge_threads))
        yield from records
