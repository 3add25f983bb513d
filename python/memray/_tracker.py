"""Recording the process that this code runs in.

What must not be recorded itself, entering and leaving, is in ``_core.Recording``; see there. Here are the arguments: what
is refused and why, and what they mean to ``memray collect``, the process that writes the capture.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Iterator, List, Optional, Sequence, Tuple, Union

from . import _core, _installation, _thread_names
from ._enums import FileFormat
from ._reader import FileReader

if TYPE_CHECKING:
    from types import FrameType

    from ._destination import Destination, FileDestination

_BETWEEN_LOOKS = 0.01  # at whether a client has come

PathLike = Union[str, "os.PathLike[str]"]
Names = Union[str, Sequence[str]]


@contextmanager
def _unrecorded() -> Iterator[None]:
    _core.ignore(True)
    try:
        yield
    finally:
        _core.ignore(False)


def _names(plugins: Names) -> str:
    return plugins if isinstance(plugins, str) else ",".join(plugins)


def _check_output(destination: FileDestination, path: str) -> None:
    """What can be said of an output without making it."""
    if os.path.lexists(path) and not destination.overwrite:
        raise FileExistsError(
            errno.EEXIST,
            f"Output file {path} already exists. Memray can overwrite it with the --force CLI argument "
            "or the overwrite=True API argument.",
        )
    folder = os.path.dirname(path)
    reason = 0
    if os.path.isdir(path):
        reason = errno.EISDIR
    elif not os.path.exists(folder):
        reason = errno.ENOENT
    elif not os.path.isdir(folder):
        reason = errno.ENOTDIR
    elif not os.access(folder, os.W_OK | os.X_OK):
        reason = errno.EACCES
    if reason:
        raise OSError(reason, f"Could not create output file {path}: {os.strerror(reason)}")


class Tracker(_core.Recording):
    """Records what this process allocates while a ``with`` block runs.

    - ``file_name``: the capture to write; or ``destination``, a FileDestination or SocketDestination
    - ``native_traces``: record native stacks too
    - ``memory_interval_ms``: how often the resident memory is looked at
    - ``follow_fork``: each forked child writes a capture of its own, the name with ``.<pid>`` added
    - ``trace_python_allocators``: record each request to Python's own allocators too
    - ``track_object_lifetimes``: record when Python objects are made and destroyed, see ``get_surviving_objects``;
      needs CPython 3.13.3 or later, and an output file
    - ``file_format``: every allocation, or totals for each place that allocates, which is smaller
    - ``hooks``, ``unwinders``: names of plugins that see allocator calls and read stacks; ``memray plugins`` lists them
    - ``sink``: the name of a plugin that takes the recording, with its arguments after a colon

    Everything is recorded from the ``with`` statement on, in all threads, and stacks end at the function that has it. The
    file is a valid capture from the beginning, grows while the program runs, and is complete however the program ends.

    TypeError unless there is one destination; RuntimeError for what cannot go together, and when entered while
    another Tracker is active or for a second time; OSError if the output cannot be made, which is known in the constructor.

    Example::

        with memray.Tracker("capture.bin"):
            rows = [bytes(1000) for _ in range(1000)]
    """

    def __init__(
        self,
        file_name: Optional[PathLike] = None,
        *,
        destination: Optional[Destination] = None,
        native_traces: bool = False,
        memory_interval_ms: int = 10,
        follow_fork: bool = False,
        trace_python_allocators: bool = False,
        track_object_lifetimes: bool = False,
        file_format: FileFormat = FileFormat.ALL_ALLOCATIONS,
        sink: Optional[str] = None,
        hooks: Optional[Names] = None,
        unwinders: Optional[Names] = None,
    ) -> None:
        from ._destination import FileDestination, SocketDestination

        self._path: Optional[str] = None
        self._pid = os.getpid()
        if (file_name is not None) + (destination is not None) + (sink is not None) != 1:
            raise TypeError("Exactly one of 'file_name' or 'destination' argument must be specified (or 'sink')")
        if file_name is not None:
            destination = FileDestination(path=file_name)
        if destination is not None and not isinstance(destination, (FileDestination, SocketDestination)):
            raise TypeError("destination must be a SocketDestination or FileDestination")
        if memory_interval_ms < 0:
            raise OverflowError("memory_interval_ms must not be negative")
        if file_format not in tuple(FileFormat):
            raise RuntimeError("Invalid file format enumerator")
        if track_object_lifetimes:
            if sys.version_info < (3, 13, 3):
                raise RuntimeError(
                    "Python object reference tracking requires Python 3.13.3 or later. "
                    f"Current version: {'.'.join(map(str, sys.version_info[:3]))}"
                )
            if file_format == FileFormat.AGGREGATED_ALLOCATIONS:
                raise RuntimeError("track_object_lifetimes keeps every object, and AGGREGATED_ALLOCATIONS only totals")
        if not isinstance(destination, FileDestination):
            if track_object_lifetimes:
                raise RuntimeError("track_object_lifetimes requires an output file")
            if follow_fork:
                raise RuntimeError("follow_fork requires an output file")
            if file_format == FileFormat.AGGREGATED_ALLOCATIONS:
                raise RuntimeError("AGGREGATED_ALLOCATIONS requires an output file")
        if isinstance(destination, FileDestination):
            output = self._to_file(destination)
        elif isinstance(destination, SocketDestination):
            output = [f"--sink=socket:{destination.address}:{destination.server_port}"]
        else:
            output = [f"--sink={sink}"]

        options = [
            (f"--memory-interval={memory_interval_ms or 1}", True),
            ("--native", native_traces),
            ("--trace-python-allocators", trace_python_allocators),
            ("--track-object-lifetimes", track_object_lifetimes),
            ("--aggregate", file_format == FileFormat.AGGREGATED_ALLOCATIONS),
            (f"--hooks={_names(hooks or '')}", hooks is not None),
            (f"--unwinders={_names(unwinders or '')}", unwinders is not None),
            (f"--command-line={' '.join(sys.argv)}", True),
        ]
        _core.load_recorder(_installation.RECORDER)
        self._tracks_objects = track_object_lifetimes
        arguments = tuple(output + [text for text, wanted in options if wanted])
        self._open(_installation.COMMAND, arguments, follow_fork, self._path if track_object_lifetimes else None)
        if isinstance(destination, SocketDestination):
            while not self._is_ready():
                time.sleep(_BETWEEN_LOOKS)

    # Called by ``_core.Recording`` just before recording begins, and just after it has ended.

    def _before(self) -> None:
        _thread_names.watch()

    def _after(self) -> None:
        _thread_names.unwatch()

    def _to_file(self, destination: FileDestination) -> List[str]:
        name = os.fsdecode(destination.path)
        if not name:
            raise FileNotFoundError(errno.ENOENT, "Could not create output file: its name is empty")
        path = os.path.abspath(name)
        if os.path.exists(path) and os.path.samefile(path, os.devnull):
            return ["--sink=null"]
        _check_output(destination, path)
        self._path = path
        return [f"--output={path}", *(["--force"] if destination.overwrite else [])]

    def _current_path(self) -> str:
        if self._path is None:
            raise RuntimeError("this recording is not written to a file")
        own = os.getpid()
        return self._path if own == self._pid else f"{self._path}.{own}"

    def _copy(self, path: str) -> None:
        from ._whole_blocks import copy_whole_blocks

        source = self._current_path()
        self._flush()
        copy_whole_blocks(source, path)

    def snapshot(self) -> FileReader:
        """A reader of what was recorded so far; what it calls leaked is what is live now. Recording goes on.

        RuntimeError unless this Tracker is recording to a file.

        Example::

            live = sum(record.size for record in tracker.snapshot().get_leaked_allocation_records())
        """
        import tempfile

        with _unrecorded(), tempfile.TemporaryDirectory(prefix="memray-") as folder:
            path = os.path.join(folder, "snapshot.bin")
            self._copy(path)
            return FileReader(path)

    def reset_peak(self) -> None:
        """Forgets the peak: in reports it is the highest moment from now on.

        RuntimeError unless this Tracker is recording.

        Example::

            with memray.Tracker("capture.bin") as tracker:
                load()
                tracker.reset_peak()
                work()
        """
        with _unrecorded():
            self._reset_peak()

    def get_surviving_objects(self) -> Tuple[Any, ...]:
        """The objects that were created while recording and are alive at its end, oldest first.

        The Tracker keeps them alive. RuntimeError unless ``track_object_lifetimes`` was given and recording has ended.

        Example::

            kinds = collections.Counter(type(survivor).__name__ for survivor in tracker.get_surviving_objects())
        """
        if not self._tracks_objects:
            raise RuntimeError("track_object_lifetimes=True was not provided at Tracker construction")
        if self._survivors is None:
            raise RuntimeError("surviving objects are known when tracking has completed")
        return self._survivors


def snapshot(path: PathLike) -> None:
    """Writes what the active Tracker has recorded so far to a capture of its own. Recording goes on.

    For services that never end: call it from a signal handler, or on a request. An existing file is replaced.
    RuntimeError if no Tracker is recording to a file in this process; OSError if the file cannot be written.

    Example::

        signal.signal(signal.SIGUSR1, lambda *_: memray.snapshot("now.bin"))
    """
    with _unrecorded():
        tracker = _core.active_recording()
        if not isinstance(tracker, Tracker):
            raise RuntimeError("no Tracker is active in this process")
        tracker._copy(os.path.abspath(os.fspath(path)))


def start_thread_trace(frame: FrameType, event: str, arg: Any) -> None:
    """For ``threading.setprofile``: takes itself off again.

    Other profilers have to be told of threads in this way. memray sees all threads.

    Example::

        threading.setprofile(memray.start_thread_trace)
    """
    sys.setprofile(None)
