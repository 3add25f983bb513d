"""The numbers that records and captures use."""

from __future__ import annotations

import enum
import os

RTLD_NOW: int = os.RTLD_NOW
RTLD_DEFAULT: int = 0


class AllocatorType(enum.IntEnum):
    """The calls that are recorded; ``AllocationRecord.allocator`` is one of these numbers.

    Example::

        AllocatorType(record.allocator).name  # "MMAP"
    """

    MALLOC = 1
    FREE = 2
    CALLOC = 3
    REALLOC = 4
    POSIX_MEMALIGN = 5
    ALIGNED_ALLOC = 6
    MEMALIGN = 7
    VALLOC = 8
    PVALLOC = 9
    MMAP = 10
    MUNMAP = 11
    PYMALLOC_MALLOC = 12
    PYMALLOC_CALLOC = 13
    PYMALLOC_REALLOC = 14
    PYMALLOC_FREE = 15


class FileFormat(enum.IntEnum):
    """What a capture holds: every event, or totals for each place that allocates.

    Example::

        Tracker("capture.bin", file_format=FileFormat.AGGREGATED_ALLOCATIONS)
    """

    ALL_ALLOCATIONS = 1
    AGGREGATED_ALLOCATIONS = 2


class PymallocDomain(enum.IntEnum):
    """The three families of CPython's allocators: PyMem_RawMalloc, PyMem_Malloc, PyObject_Malloc and their like.

    Example::

        memray._test.PymallocMemoryAllocator(PymallocDomain.OBJECT).malloc(100)
    """

    PYMALLOC_RAW = RAW = 1
    PYMALLOC_MEM = MEM = 2
    PYMALLOC_OBJECT = OBJECT = 3


class SymbolicSupport(enum.IntEnum):
    """How much this interpreter tells about its native functions.

    Example::

        assert memray.get_symbolic_support() >= memray.SymbolicSupport.FUNCTION_NAME_ONLY
    """

    NONE = 1
    FUNCTION_NAME_ONLY = 2
    TOTAL = 3
