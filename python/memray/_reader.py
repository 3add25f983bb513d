"""Reading captures.

A FileReader stands on ``_core.Capture``, which does the work; here are the rules that users know: what raises what and
when, and names for what the core returns as plain tuples.
"""

from __future__ import annotations

import errno
import os
from types import TracebackType
from typing import TYPE_CHECKING, Any, Iterable, Iterator, List, NamedTuple, Optional, Tuple, Type, Union

from . import _core, _log
from ._core import AllocationRecord, TemporalAllocationRecord, TrackedObjectRecord
from ._enums import AllocatorType, FileFormat
from ._errors import MemrayCommandError
from ._progress import Progress

if TYPE_CHECKING:
    import pandas
    import pyarrow

    from ._metadata import Metadata
    from ._stats import Stats

PEAK, LEAKS, TEMPORARY = range(3)

PathLike = Union[str, "os.PathLike[str]"]


class MemorySnapshot(NamedTuple):
    """Memory at one moment: ``time`` in milliseconds since 1970, ``rss`` and recorded ``heap`` in bytes.

    Example::

        highest = max(reader.get_memory_snapshots(), key=lambda snapshot: snapshot.rss)
    """

    time: int
    rss: int
    heap: int


class Interval(NamedTuple):
    """What a TemporalAllocationRecord held from one memory snapshot to another.

    Both are indices into ``get_memory_snapshots()``: the first snapshot after the allocation, and the first after the
    deallocation, None if there was none. ``n_bytes`` is the sum of the bytes of ``n_allocations`` allocations.

    Example::

        still_there = [each for each in record.intervals if each.deallocated_before_snapshot is None]
    """

    allocated_before_snapshot: int
    deallocated_before_snapshot: Optional[int]
    n_allocations: int
    n_bytes: int


def _open(path: str) -> _core.Capture:
    if os.path.isdir(path):
        raise IsADirectoryError(errno.EISDIR, f"Could not open file {path}: Is a directory")
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        raise OSError(error.errno, f"Could not open file {path}: {error.strerror}") from None
    try:
        return _core.Capture(path)
    except OSError as error:
        raise OSError(f"The provided input file {error}: {path}") from None


class FileReader:
    """An open capture file.

    Opening it reads the definitions, not the records: these are streamed by the methods, each of which may be called
    any number of times. ``report_progress`` shows a bar on stderr during long passes; of more than
    ``max_memory_records`` memory snapshots every second, third, ... is taken.

    Raises OSError if the file cannot be opened, or is no capture that this version reads. What is damaged or was cut off
    is read as far as it can be, with a message on stderr.

    Example::

        with memray.FileReader("capture.bin") as reader:
            peak = reader.get_high_watermark_allocation_records(merge_threads=True)
            for record in sorted(peak, key=lambda record: -record.size)[:10]:
                print(memray.size_fmt(record.size), record.stack_trace(max_stacks=1))
    """

    def __init__(
        self, file_name: PathLike, *, report_progress: bool = False, max_memory_records: int = 10000
    ) -> None:
        if max_memory_records < 1:
            raise ValueError("max_memory_records must be at least 1")
        self._path = os.fspath(file_name)
        self._max_memory_records = max_memory_records
        self._closed = False
        self._capture = _open(self._path)
        if report_progress:
            self._capture.on_progress(Progress())
        self._info = self._capture.info()
        if self._info["damage"] is not None:
            _log.log(_log.ERROR, f"{self._path}: {self._info['damage']}")
        self._aggregated = self._info["aggregated"]

    def __enter__(self) -> FileReader:
        """The reader itself.

        Example::

            with memray.FileReader("capture.bin") as reader:
                print(reader.metadata.peak_memory)
        """
        return self

    def __exit__(
        self,
        exc_type: Optional[Type[BaseException]],
        exc_value: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        """Closes the reader, see ``close``.

        Example::

            with memray.FileReader("capture.bin") as reader:
                pass
            assert reader.closed
        """
        self.close()

    def close(self) -> None:
        """Ends reading: the methods that yield records raise ValueError from now on. May be called again.

        Example::

            reader.close()
        """
        self._closed = True

    @property
    def closed(self) -> bool:
        """Whether ``close`` has been called.

        Example::

            if not reader.closed:
                reader.close()
        """
        return self._closed

    def _require(self, to_do: Optional[str] = None) -> None:
        """That the reader is open, and, if what is ``to_do`` needs every allocation, that the capture has them."""
        if self._closed:
            raise ValueError("Operation on a closed FileReader")
        if to_do and self._aggregated:
            raise NotImplementedError(f"Can't {to_do} a pre-aggregated capture file.")

    def get_allocation_records(self) -> Iterator[AllocationRecord]:
        """Yields every allocation and deallocation, in order; sizes are bytes.

        NotImplementedError for aggregated captures, ValueError if the reader is closed.

        Example::

            large = [record for record in reader.get_allocation_records() if record.size > 1_000_000]
        """
        self._require("get all allocations from")
        yield from self._capture.events()

    def get_high_watermark_allocation_records(self, merge_threads: bool = True) -> Iterator[AllocationRecord]:
        """Yields what was live when most memory was, one record for each stack, first allocated first.

        ``size`` is the sum of the bytes of ``n_allocations`` allocations. With ``merge_threads`` the same stack in several
        threads is one record, with ``tid`` -1. ValueError if the reader is closed.

        Example::

            peak = sum(record.size for record in reader.get_high_watermark_allocation_records())
        """
        self._require()
        yield from self._capture.snapshot(PEAK, 0, merge_threads)

    def get_leaked_allocation_records(self, merge_threads: bool = True) -> Iterator[AllocationRecord]:
        """Yields what was never freed while recording, one record for each stack, first allocated first.

        Bytes and threads as in ``get_high_watermark_allocation_records``. ValueError if the reader is closed.

        Example::

            for record in reader.get_leaked_allocation_records():
                print(memray.size_fmt(record.size), record.stack_trace(max_stacks=1))
        """
        self._require()
        yield from self._capture.snapshot(LEAKS, 0, merge_threads)

    def get_temporary_allocation_records(
        self, merge_threads: bool = True, threshold: int = 1
    ) -> Iterator[AllocationRecord]:
        """Yields short-lived allocations, one record for each stack.

        They are those that their thread freed again after at most ``threshold`` further allocations of its own.
        NotImplementedError for aggregated captures, ValueError for a threshold below 0, or if the reader is closed.

        Example::

            wasted = sum(record.n_allocations for record in reader.get_temporary_allocation_records(threshold=1))
        """
        self._require("find temporary allocations using")
        if threshold < 0:
            raise ValueError("threshold must not be negative")
        yield from self._capture.snapshot(TEMPORARY, threshold, merge_threads)

    def get_temporal_allocation_records(self, merge_threads: bool = True) -> Iterator[TemporalAllocationRecord]:
        """Yields when what each stack allocated was allocated and freed, by the memory snapshots in between.

        What was freed before the next snapshot is left out. NotImplementedError for aggregated captures, ValueError if the
        reader is closed.

        Example::

            for record in reader.get_temporal_allocation_records():
                print(record.stack_trace(max_stacks=1), record.intervals)
        """
        self._require("get allocation history using")
        yield from self._temporal(False, merge_threads)[0]

    def get_temporal_high_water_mark_allocation_records(
        self, merge_threads: bool = True
    ) -> Tuple[Iterator[TemporalAllocationRecord], List[int]]:
        """What each stack held at the highest moment between any two memory snapshots, and the bytes at these moments.

        The list has one number more than there are memory snapshots: the last is of the time after them.
        NotImplementedError for aggregated captures, ValueError if the reader is closed.

        Example::

            records, bytes_at_peaks = reader.get_temporal_high_water_mark_allocation_records()
        """
        self._require("get allocation history using")
        records, high_water = self._temporal(True, merge_threads)
        return iter(records), high_water

    def _temporal(self, high_water: bool, merge_threads: bool) -> Tuple[List[TemporalAllocationRecord], List[int]]:
        return self._capture.temporal(high_water, self._max_memory_records, merge_threads, Interval)

    def get_object_lifetime_events(
        self, included_objects: Optional[Iterable[object]] = None
    ) -> Iterator[TrackedObjectRecord]:
        """Yields when Python objects were created and destroyed, all of them or those that are given.

        Those that are given are taken for objects that were alive when recording ended, such as
        ``Tracker.get_surviving_objects()``. RuntimeError if the capture does not say.

        Example::

            for event in reader.get_object_lifetime_events(tracker.get_surviving_objects()):
                print(event.address, event.stack_trace(max_stacks=1))
        """
        self._require()
        if not self._info["has_objects"]:
            raise RuntimeError(f"{self._path} was recorded without track_object_lifetimes")
        addresses = None if included_objects is None else {id(each) for each in included_objects}
        yield from self._capture.object_events(addresses)

    def get_memory_snapshots(self) -> Iterator[MemorySnapshot]:
        """Yields how much memory was used over time, in bytes; works after ``close`` as well.

        The first snapshot is of the beginning of the recording.

        Example::

            times = [snapshot.time for snapshot in reader.get_memory_snapshots()]
        """
        for sample in self._capture.samples(self._max_memory_records):
            yield MemorySnapshot(*sample)

    @property
    def metadata(self) -> Metadata:
        """About the recording as a whole; works after ``close`` as well.

        Example::

            print(reader.metadata.command_line, memray.size_fmt(reader.metadata.peak_memory))
        """
        from datetime import datetime, timedelta, timezone

        from ._metadata import Metadata

        info = self._info
        epoch = datetime(1970, 1, 1, tzinfo=timezone.utc)

        def moment(nanoseconds: int) -> datetime:
            return (epoch + timedelta(milliseconds=nanoseconds // 1_000_000)).astimezone()

        start = info["start_time_ns"]
        return Metadata(
            start_time=moment(start),
            end_time=moment(start + info["end_ns"]),
            total_allocations=info["records"],
            total_frames=info["frames"],
            peak_memory=info["peak_memory"],
            command_line=info["command_line"],
            pid=info["pid"],
            main_thread_id=info["main_thread_id"],
            python_allocator=info["python_allocator"] or "unknown",
            has_native_traces=info["has_native_traces"],
            trace_python_allocators=info["trace_python_allocators"],
            file_format=FileFormat.AGGREGATED_ALLOCATIONS if self._aggregated else FileFormat.ALL_ALLOCATIONS,
        )

    def to_arrow(self, view: str = "allocations", *, merge_threads: bool = True) -> pyarrow.Table:
        """The records of a view as a pyarrow.Table: "allocations" (every record), "peak", "leaks" or "temporary".

        Its columns are the attributes of AllocationRecord, with ``allocator`` as a name, and ``function``, ``file``,
        ``line`` of the innermost Python frame. ImportError if pyarrow is not installed.

        Example::

            reader.to_arrow("peak").sort_by([("size", "descending")]).slice(0, 10)
        """
        from ._arrow import table

        return table(self, view, merge_threads)

    def to_pandas(self, view: str = "allocations", *, merge_threads: bool = True) -> pandas.DataFrame:
        """The same as ``to_arrow``, as a pandas.DataFrame. ImportError if pyarrow and pandas are not installed.

        Example::

            reader.to_pandas("peak").groupby("function")["size"].sum()
        """
        return self.to_arrow(view, merge_threads=merge_threads).to_pandas()


def compute_statistics(file_name: PathLike, *, report_progress: bool = False, num_largest: int = 5) -> Stats:
    """Totals over all allocations of a capture, with the ``num_largest`` places and modules.

    OSError as from FileReader; NotImplementedError for aggregated captures.

    Example::

        memray.compute_statistics("capture.bin").total_memory_allocated
    """
    from ._stats import Stats

    reader = FileReader(file_name, report_progress=report_progress)
    reader._require("compute statistics using")
    count, size, peak, by_size, by_allocator, *largest = reader._capture.statistics(num_largest)
    by_name = {AllocatorType(number).name: total for number, total in by_allocator.items()}
    return Stats(reader.metadata, count, size, peak, by_size, by_name, *largest)


def dump_all_records(file_name: PathLike) -> None:
    """Prints everything that is in a capture, a line each, as ``memray parse`` does.

    OSError as from FileReader, MemrayCommandError if it cannot be done: aggregated captures have no records.

    Example::

        memray.dump_all_records("capture.bin")
    """
    from .commands import main

    _open(os.fspath(file_name))
    code = main(["parse", os.fspath(file_name)])
    if code:
        raise MemrayCommandError(f"the records of {os.fspath(file_name)} cannot be printed", exit_code=code)
