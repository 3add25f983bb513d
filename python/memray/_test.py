"""Allocations of every kind, for tests of memray and of programs that use it.

Stacks in such tests are expected to hold the frames of this file. Nothing is freed unless asked for, and the call in
``MemoryAllocator.valloc`` stays on line 50: tests elsewhere refer to that line.
"""

from __future__ import annotations

import enum
import re
import sys
from types import TracebackType
from typing import Any, Callable, Optional, Type

from . import _test_utils
from ._test_utils import allocate_cpp_vector, allocate_without_gil_held, fill_cpp_vector, function_caller, set_thread_name


class PymallocDomain(enum.IntEnum):
    """The three families of CPython's allocators."""

    PYMALLOC_RAW = 1
    PYMALLOC_MEM = 2
    PYMALLOC_OBJECT = 3


class MemoryAllocator:
    """Calls the allocation functions of libc, and remembers the last block that it got.

    The methods return whether they got one. An alignment, where there is one to choose, is that of a pointer. Freeing
    what is not there raises RuntimeError. A block that is not freed outlives this object.
    It is one at a time: a second allocation forgets the first.
    """

    def __init__(self) -> None:
        self._holder = _test_utils.MemoryAllocator()

    def malloc(self, size: int) -> bool:
        return self._holder.malloc(size)

    def calloc(self, size: int) -> bool:
        """One element of that size."""
        return self._holder.calloc(size)

    def realloc(self, size: int) -> bool:
        """malloc(1), then realloc to the size."""
        return self._holder.realloc(size)

    def valloc(self, size: int) -> bool:
        return self._holder.valloc(size)

    def pvalloc(self, size: int) -> bool:
        return self._holder.pvalloc(size)

    def memalign(self, size: int) -> bool:
        return self._holder.memalign(size)

    def aligned_alloc(self, size: int) -> bool:
        return self._holder.aligned_alloc(size)

    def posix_memalign(self, size: int) -> bool:
        return self._holder.posix_memalign(size)

    def free(self) -> None:
        self._holder.free()

    def free_sized(self, size: int) -> bool:
        """False, with nothing done, where libc has no free_sized."""
        return self._holder.free_sized(size)

    def free_aligned_sized(self, size: int) -> bool:
        return self._holder.free_aligned_sized(size)

    def run_in_pthread(self, callback: Callable[[], object]) -> None:
        """Calls back in a thread that Python has not started."""
        self._holder.run_in_pthread(callback)


class MmapAllocator:
    """An anonymous shared mapping. Never unmaps by itself."""

    def __init__(self, size: int, address: int = 0) -> None:
        self.address = _test_utils.mmap(size, address)

    def munmap(self, length: int, offset: int = 0) -> None:
        _test_utils.munmap(self.address + offset, length)


class PymallocMemoryAllocator:
    """Calls the allocation functions of one of CPython's domains."""

    def __init__(self, domain: PymallocDomain) -> None:
        self._domain = int(domain)
        self._holder = _test_utils.PymallocMemoryAllocator()

    def malloc(self, size: int) -> bool:
        return self._holder.malloc(self._domain, size)

    def calloc(self, size: int) -> bool:
        return self._holder.calloc(self._domain, size)

    def realloc(self, size: int) -> bool:
        """Of the block that it has, if any."""
        return self._holder.realloc(self._domain, size)

    def free(self) -> None:
        self._holder.free(self._domain)


class PrimeCaches:
    """Fills the interpreter's caches for profiled code, so that what is counted inside is the same every time."""

    def __enter__(self) -> PrimeCaches:
        self._old_profile = sys.getprofile()
        sys.setprofile(lambda *_: None)
        return self

    def __exit__(
        self,
        exc_type: Optional[Type[BaseException]],
        exc_value: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        sys.setprofile(self._old_profile)


# These have no Python frame.
_cython_nested_allocation = _test_utils.nested_allocation
_cython_allocate_in_two_places = _test_utils.allocate_in_two_places


def exit(py_finalize: bool = False) -> Any:
    """Ends the process by libc's exit, with the interpreter finalized or not."""
    _test_utils.exit(py_finalize)


def rss_from_proc_status(text: str) -> int:
    """Resident bytes, huge pages included, by the text of a /proc/PID/status."""
    sizes = dict(re.findall(r"^(VmRSS|HugetlbPages):\s*(\d+) kB$", text, re.MULTILINE))
    if "VmRSS" not in sizes:
        raise ValueError("there is no VmRSS")
    return sum(map(int, sizes.values())) * 1024


__all__ = [
    "MemoryAllocator",
    "MmapAllocator",
    "PrimeCaches",
    "PymallocDomain",
    "PymallocMemoryAllocator",
    "_cython_allocate_in_two_places",
    "_cython_nested_allocation",
    "allocate_cpp_vector",
    "allocate_without_gil_held",
    "exit",
    "fill_cpp_vector",
    "function_caller",
    "rss_from_proc_status",
    "set_thread_name",
]
