"""Memory in tests, for pytest.

``pytest --memray`` records each test and tells at the end which allocated most. A test fails that takes more than its
marker allows, with or without that option::

    @pytest.mark.limit_memory("24 MB")   # at any moment
    @pytest.mark.limit_leaks("1 MB")     # left behind by any one stack

Test functions are recorded, coroutines and methods of unittest.TestCase too, not their fixtures.
"""

from __future__ import annotations

import functools
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
    "limit_memory": "limit_memory(size): fail the test if it takes more at any moment, as in limit_memory('24 MB')",
    "limit_leaks": "limit_leaks(size, *, filter_fn=None): fail the test if one stack leaves more behind; "
    "filter_fn(stack) returns whether a stack counts",
}


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

    def broken(self, reader: FileReader) -> List[AllocationRecord]:
        """The records that break it."""
        if self.kind == "limit_memory":
            records = list(reader.get_high_watermark_allocation_records())
            return records if sum(record.size for record in records) > self.bytes else []
        return [
            record
            for record in reader.get_leaked_allocation_records()
            if record.size > self.bytes and (self.filter_fn is None or self.filter_fn(record.stack_trace()))
        ]

    def explain(self, records: List[AllocationRecord]) -> str:
        total = size_fmt(sum(record.size for record in records))
        if self.kind == "limit_memory":
            first = f"Test is using {total} out of limit of {size_fmt(self.bytes)}"
        else:
            first = f"Test leaked {total} in stacks over the limit of {size_fmt(self.bytes)} each"
        return "\n".join([first, "", "List of allocations:", *_lines(records, 10)])


def _lines(records: List[AllocationRecord], count: int) -> List[str]:
    """The largest, each with the frames that made it."""
    lines = []
    for record in sorted(records, key=lambda record: record.size, reverse=True)[:count]:
        stack = record.hybrid_stack_trace(max_stacks=5)
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
            limits.append(Limit(kind, parse_size(marker.args[0]), marker.kwargs.get("filter_fn")))
    if len(limits) > 1:
        raise ValueError("Only one memray marker can be applied to each test")
    return limits[0] if limits else None


class Recorder:
    """Records test functions; lives in every process that runs tests."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._folder = config.getoption("memray_bin_path")
        if self._folder is not None:
            self._folder = os.path.abspath(self._folder)
            os.makedirs(self._folder, exist_ok=True)

    def _capture_file(self, item: pytest.Function, folder: str) -> str:
        name = re.sub(r"[^\w.-]+", "-", item.nodeid)
        return os.path.join(self._folder or folder, f"{name}.bin")

    def _tracker(self, path: str, limit: Optional[Limit]) -> Tracker:
        return Tracker(
            destination=FileDestination(path, overwrite=True),
            native_traces=self._config.getoption("memray_native"),
            trace_python_allocators=self._config.getoption("memray_python_allocators")
            or (limit is not None and limit.kind == "limit_leaks"),
        )

    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, None]:
        limit = _limit_of(item) if isinstance(item, pytest.Function) else None
        if not isinstance(item, pytest.Function) or (limit is None and not self._config.getoption("memray")):
            yield
            return
        with tempfile.TemporaryDirectory(prefix="memray-") as folder:
            path = self._capture_file(item, folder)
            function = item.obj

            @functools.wraps(function)
            def recorded(*args: Any, **kwargs: Any) -> Any:
                with self._tracker(path, limit):
                    return function(*args, **kwargs)

            @functools.wraps(function)
            async def recorded_coroutine(*args: Any, **kwargs: Any) -> Any:
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
                item.memray = self._look_at(path, limit)

    def _look_at(self, path: str, limit: Optional[Limit]) -> Dict[str, Any]:
        with FileReader(path) as reader:
            peak = list(reader.get_high_watermark_allocation_records())
            broken = limit.broken(reader) if limit is not None else []
            return {
                "peak": sum(record.size for record in peak),
                "allocations": sum(record.n_allocations for record in peak),
                "largest": _lines(peak, self._config.getoption("memray_most_allocations")),
                "broken": limit.explain(broken) if limit is not None and broken else None,
            }

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
        if not self._found or not self._config.getoption("memray"):
            return
        terminalreporter.write_sep("=", "MEMRAY REPORT")
        most = sorted(self._found.items(), key=lambda each: each[1]["peak"], reverse=True)
        for name, found in most[: self._config.getoption("memray_most_tests")]:
            terminalreporter.write_line(f"Allocation results for {name} at the high watermark")
            terminalreporter.write_line("")
            terminalreporter.write_line(f"  Total memory allocated: {size_fmt(found['peak'])}")
            terminalreporter.write_line(f"  Total allocations: {found['allocations']}")
            terminalreporter.write_line("  Biggest allocations:")
            for line in found["largest"]:
                terminalreporter.write_line(line)
            terminalreporter.write_line("")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("memray")
    add = group.addoption
    add("--memray", action="store_true", dest="memray", help="record the memory of every test, and tell the largest")
    add("--memray-bin-path", dest="memray_bin_path", metavar="DIR", help="keep the captures, one a test, in DIR")
    add("--memray-native", dest="memray_native", action="store_true", help="record native stacks too")
    add(
        "--memray-python-allocators",
        dest="memray_python_allocators",
        action="store_true",
        help="record Python's own allocators too",
    )
    add(
        "--most-allocations",
        dest="memray_most_allocations",
        metavar="N",
        type=int,
        default=5,
        help="how many allocations to tell of each test (default: 5)",
    )
    add(
        "--memray-tests",
        dest="memray_most_tests",
        metavar="N",
        type=int,
        default=5,
        help="how many tests to tell of (default: 5)",
    )


def pytest_configure(config: pytest.Config) -> None:
    for text in _MARKERS.values():
        config.addinivalue_line("markers", text)
    config.pluginmanager.register(Recorder(config), "memray-recorder")
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Summary(config), "memray-summary")
