"""Totals over all allocations of a capture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Tuple

from ._metadata import Metadata

Location = Tuple[str, str, int]


@dataclass
class Stats:
    """What ``compute_statistics`` returns; sizes are bytes as requested, freed or not.

    - ``allocation_count_by_size``: number of allocations of each size
    - ``allocation_count_by_allocator``: by name, such as "MALLOC"
    - ``top_locations_by_size``, ``top_locations_by_count``: ((function, file, line), bytes or number)
    - ``top_modules_by_allocation_size``, ``top_modules_by_allocation_count``: (module, number, bytes)

    Example::

        memray.compute_statistics("capture.bin").top_locations_by_size[0]
    """

    metadata: Metadata
    total_num_allocations: int
    total_memory_allocated: int
    peak_memory_allocated: int
    allocation_count_by_size: Dict[int, int]
    allocation_count_by_allocator: Dict[str, int]
    top_locations_by_size: List[Tuple[Location, int]]
    top_locations_by_count: List[Tuple[Location, int]]
    top_modules_by_allocation_size: List[Tuple[str, int, int]]
    top_modules_by_allocation_count: List[Tuple[str, int, int]]
