"""Records as tables, where pyarrow and pandas are installed."""

import pytest

from memray import AllocatorType, FileReader

pa = pytest.importorskip("pyarrow")

PROGRAM = """\
from memray._test import MemoryAllocator
kept = []
def leak(size):
    allocator = MemoryAllocator()
    allocator.valloc(size)
    kept.append(allocator)
for i in range(5000):
    leak(10001)
"""


@pytest.fixture
def reader(record):
    with FileReader(record(PROGRAM)) as reader:
        yield reader


def test_every_record(reader):
    table = reader.to_arrow()
    records = list(reader.get_allocation_records())
    for name in ("tid", "address", "size", "stack_id", "native_stack_id", "n_allocations"):
        assert table[name].to_pylist() == [getattr(record, name) for record in records]
    assert table["allocator"].to_pylist() == [AllocatorType(record.allocator).name for record in records]
    frames = [record.stack_trace(1)[0] if record.stack_id else (None, None, None) for record in records]
    assert list(zip(*(table[name].to_pylist() for name in ("function", "file", "line")))) == frames


@pytest.mark.parametrize("view", ["peak", "leaks", "temporary"])
def test_views(reader, view):
    method = {"peak": "high_watermark", "leaks": "leaked", "temporary": "temporary"}[view]
    records = list(getattr(reader, f"get_{method}_allocation_records")())
    table = reader.to_arrow(view)
    assert table["size"].to_pylist() == [record.size for record in records]
    assert set(table["thread_name"].to_pylist()) <= {"merged thread"}


def test_pandas(reader):
    pytest.importorskip("pandas")
    frame = reader.to_pandas("leaks")
    by_function = frame.groupby("function", observed=True)["size"].sum()
    assert by_function["valloc"] == 5000 * 10001
    with pytest.raises(ValueError, match="no view"):
        reader.to_pandas("nonesuch")
