"""Memory in tests, for pytest.

``pytest --memray`` records each test and tells at the end which allocated most. A test fails that takes more than its
marker allows, with or without that option::

    @pytest.mark.limit_memory("24 MB")   # at any moment
    @pytest.mark.limit_leaks("1 MB")     # left behind by any one stack

Test functions are recorded, coroutines and methods of unittest.TestCase too, not their fixtures. Options, settings and markers
are those of pytest-memray; where that is installed, it does the work, and this plugin nothing.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
import os
import re
import tempfile
import unittest
from dataclasses import dataclass
from typing import Any, Callable, Dict, Generator, List, Optional, Tuple

import pytest

from ._core import AllocationRecord, size_fmt
from ._destination import FileDestination
from ._reader import FileReader
from ._tracker import Tracker

_UNITS = {"B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?B)\s*", re.IGNORECASE)
_MARKERS = {
    "limit_memory": "limit_memory(size, *, current_thread_only=False): fail the test if it takes more at any moment, "
    "as in limit_memory('24 MB')",
    "limit_leaks": "limit_leaks(size, *, filter_fn=None, warmups=False, current_thread_only=False): fail the test if one "
    "stack leaves more behind; filter_fn(stack) returns whether a stack counts; with warmups it is run once before",
}
_LARGEST = 5  # allocations told of a test


def parse_size(text: str) -> int:
    """ "24 MB" in bytes; 1 KB is 1024 bytes, as in pytest-memray."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no size; sizes are such as '24 MB'")
    return int(float(match.group(1)) * _UNITS[match.group(2).upper()])


@dataclass
class Limit:
    kind: str
    bytes: int
    filter_fn: Optional[Callable[[List[Tuple[str, str, int]]], bool]] = None
    warmups: bool = False
    current_thread_only: bool = False

    def broken(self, reader: FileReader) -> List[AllocationRecord]:
        """The records that break it."""
        of_thread = reader.metadata.main_thread_id if self.current_thread_only else None

        def counts(record: AllocationRecord) -> bool:
            return of_thread is None or record.tid == of_thread

        merge = of_thread is None
        if self.kind == "limit_memory":
            records = list(filter(counts, reader.get_high_watermark_allocation_records(merge_threads=merge)))
            return records if sum(record.size for record in records) > self.bytes else []
        return [
            record
            for record in filter(counts, reader.get_leaked_allocation_records(merge_threads=merge))
            if record.size > self.bytes and (self.filter_fn is None or self.filter_fn(record.stack_trace()))
        ]

    def explain(self, records: List[AllocationRecord], stacks: int) -> str:
        total = size_fmt(sum(record.size for record in records))
        if self.kind == "limit_memory":
            first = f"Test is using {total} out of limit of {size_fmt(self.bytes)}"
        else:
            first = f"Test leaked {total} in stacks over the limit of {size_fmt(self.bytes)} each"
        return "\n".join([first, "", "List of allocations:", *_lines(records, 10, stacks)])


def _lines(records: List[AllocationRecord], count: int, stacks: int) -> List[str]:
    """The largest, each with the frames that made it."""
    lines = []
    for record in sorted(records, key=lambda record: record.size, reverse=True)[:count]:
        stack = record.hybrid_stack_trace(max_stacks=stacks)
        lines.append(f"    - {size_fmt(record.size)} allocated in {record.n_allocations} allocations:")
        lines += [f"        {function}:{file}:{line}" for function, file, line in stack] or ["        <no stack>"]
    return lines


def _limit_of(item: pytest.Function) -> Optional[Limit]:
    limits = []
    for kind in _MARKERS:
        marker = item.get_closest_marker(kind)
        if marker is not None:
            if len(marker.args) != 1:
                raise ValueError(f"{kind} needs one size, as in {kind}('24 MB')")
            limits.append(Limit(kind, parse_size(marker.args[0]), **marker.kwargs))
    if len(limits) > 1:
        raise ValueError("Only one memray marker can be applied to each test")
    return limits[0] if limits else None


def _setting(config: pytest.Config, name: str) -> Any:
    """The option, or else what the configuration file says."""
    option = config.getoption(name)
    return option if option else config.getini(name)


class Recorder:
    """Records test functions; lives in every process that runs tests."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._prefix = config.getoption("memray_bin_prefix")
        self._stacks = int(_setting(config, "stacks"))
        self._folder = config.getoption("memray_bin_path")
        if self._folder is not None:
            self._folder = os.path.abspath(self._folder)
            os.makedirs(self._folder, exist_ok=True)

    def _capture_file(self, item: pytest.Function, folder: str) -> str:
        name = re.sub(r"[^\w.-]+", "-", item.nodeid)
        return os.path.join(self._folder or folder, f"{self._prefix}-{name}.bin" if self._prefix else f"{name}.bin")

    def _tracker(self, path: str, limit: Optional[Limit]) -> Tracker:
        return Tracker(
            destination=FileDestination(path, overwrite=True),
            native_traces=_setting(self._config, "native"),
            trace_python_allocators=_setting(self._config, "trace_python_allocators")
            or (limit is not None and limit.kind == "limit_leaks"),
        )

    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, None]:
        limit = _limit_of(item) if isinstance(item, pytest.Function) else None
        if not isinstance(item, pytest.Function) or (limit is None and not _setting(self._config, "memray")):
            yield
            return
        with tempfile.TemporaryDirectory(prefix="memray-") as folder:
            path = self._capture_file(item, folder)
            function = item.obj

            @functools.wraps(function)
            def recorded(*args: Any, **kwargs: Any) -> Any:
                if limit is not None and limit.warmups:
                    function(*args, **kwargs)
                with self._tracker(path, limit):
                    return function(*args, **kwargs)

            @functools.wraps(function)
            async def recorded_coroutine(*args: Any, **kwargs: Any) -> Any:
                if limit is not None and limit.warmups:
                    await function(*args, **kwargs)
                with self._tracker(path, limit):
                    return await function(*args, **kwargs)

            coroutine = inspect.iscoroutinefunction(function)
            item.obj = recorded_coroutine if coroutine else recorded
            owner = getattr(function, "__self__", None)
            from_owner = coroutine and isinstance(owner, unittest.TestCase)  # pytest lets it call the method that it has
            if from_owner:
                setattr(owner, item.name, item.obj)
            try:
                yield
            finally:
                item.obj = function
                if from_owner:
                    delattr(owner, item.name)
            if os.path.exists(path):
                item.memray = self._look_at(item.nodeid, path, limit)

    def _look_at(self, name: str, path: str, limit: Optional[Limit]) -> Dict[str, Any]:
        with FileReader(path) as reader:
            peak = list(reader.get_high_watermark_allocation_records())
            records = limit.broken(reader) if limit is not None else []
            broken = limit.explain(records, self._stacks) if limit is not None and records else None
            total = sum(record.size for record in peak)
            if limit is not None and limit.kind == "limit_memory" and not broken:
                broken = self._increase(name, total)
            return {
                "peak": total,
                "allocations": sum(record.n_allocations for record in peak),
                "largest": _lines(peak, _LARGEST, self._stacks),
                "broken": broken,
            }

    def _increase(self, name: str, total: int) -> Optional[str]:
        """What to say if the test takes more than when it was within its limit last, and that is not wanted."""
        cache = getattr(self._config, "cache", None)
        if cache is None:
            return None
        last = cache.get(f"memray/{name}", None)
        if last is not None and total > last and _setting(self._config, "fail_on_increase"):
            return f"Test is using {size_fmt(total)}, and the last time it was {size_fmt(last)}"
        cache.set(f"memray/{name}", total)
        return None

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: Any) -> Generator[None, Any, None]:
        outcome = yield
        found = getattr(item, "memray", None)
        if call.when != "call" or found is None:
            return
        report = outcome.get_result()
        report.memray = found  # xdist hands it on to the process that prints
        if found["broken"] and report.passed:
            report.outcome = "failed"
            report.longrepr = found["broken"]


class Summary:
    """Tells what was found; of the processes of xdist, only in the one that prints."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._found: Dict[str, Dict[str, Any]] = {}

    def pytest_runtest_logreport(self, report: Any) -> None:
        found = getattr(report, "memray", None)
        if found is not None:
            self._found[report.nodeid] = found

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        config = self._config
        if not self._found or not _setting(config, "memray") or _setting(config, "hide_memray_summary"):
            return
        terminalreporter.write_sep("=", "MEMRAY REPORT")
        most = sorted(self._found.items(), key=lambda each: each[1]["peak"], reverse=True)
        for name, found in most[: int(_setting(config, "most_allocations")) or None]:
            terminalreporter.write_line(f"Allocation results for {name} at the high watermark")
            terminalreporter.write_line("")
            terminalreporter.write_line(f"  Total memory allocated: {size_fmt(found['peak'])}")
            terminalreporter.write_line(f"  Total allocations: {found['allocations']}")
            terminalreporter.write_line("  Biggest allocations:")
            for line in found["largest"]:
                terminalreporter.write_line(line)
            terminalreporter.write_line("")


_FLAGS = {
    "memray": "record the memory of every test, and tell the largest",
    "hide_memray_summary": "do not tell the largest",
    "native": "record native stacks too",
    "trace_python_allocators": "record Python's own allocators too",
    "fail_on_increase": "fail a test with limit_memory that takes more than the last time that it passed",
}
_NUMBERS = {
    "most_allocations": "of how many tests to tell, 0 for all (default: 5)",
    "stacks": "how many frames to tell of each allocation (default: 5)",
}


def _is_needed() -> bool:
    return importlib.util.find_spec("pytest_memray") is None


def pytest_addoption(parser: pytest.Parser) -> None:
    if not _is_needed():
        return
    group = parser.getgroup("memray")
    for name, text in _FLAGS.items():
        group.addoption(f"--{name.replace('_', '-')}", action="store_true", dest=name, help=text)
        parser.addini(name, text, type="bool", default=False)
    for name, text in _NUMBERS.items():
        group.addoption(f"--{name.replace('_', '-')}", dest=name, metavar="N", help=text)
        parser.addini(name, text, default="5")
    group.addoption(
        "--memray-bin-path", dest="memray_bin_path", metavar="DIR", help="keep the captures, one a test, in DIR"
    )
    group.addoption(
        "--memray-bin-prefix", dest="memray_bin_prefix", metavar="TEXT", help="begin their names with TEXT and a dash"
    )


def pytest_configure(config: pytest.Config) -> None:
    if not _is_needed():
        return
    for text in _MARKERS.values():
        config.addinivalue_line("markers", text)
    config.pluginmanager.register(Recorder(config), "memray-recorder")
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Summary(config), "memray-summary")
