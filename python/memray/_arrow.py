"""Records as columns, for pyarrow and pandas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Iterator, List

from ._enums import AllocatorType

if TYPE_CHECKING:
    import pyarrow

    from ._core import AllocationRecord
    from ._reader import FileReader

_NUMBERS = ("tid", "address", "size", "allocator", "stack_id", "native_stack_id")


def _every_record(reader: FileReader, pa: Any) -> Iterator[Dict[str, Any]]:
    types = (pa.int64(), pa.uint64(), pa.uint64(), pa.uint8(), pa.uint32(), pa.uint32())
    events = reader._capture.events()
    while True:
        batch = events.columns()
        if batch is None:
            return
        count, *buffers = batch
        columns = {
            name: pa.Array.from_buffers(kind, count, [None, pa.py_buffer(buffer)])
            for name, kind, buffer in zip(_NUMBERS, types, buffers)
        }
        columns["n_allocations"] = pa.nulls(count, pa.uint64()).fill_null(1)
        yield columns


def _grouped(records: List[AllocationRecord], pa: Any) -> Iterator[Dict[str, Any]]:
    types = (pa.int64(), pa.uint64(), pa.uint64(), pa.uint8(), pa.uint32(), pa.uint32(), pa.uint64())
    yield {
        name: pa.array([getattr(record, name) for record in records], kind)
        for name, kind in zip((*_NUMBERS, "n_allocations"), types)
    }


def _named(columns: Dict[str, Any], reader: FileReader, pa: Any) -> Any:
    """Adds what the numbers mean, once for each number that occurs."""
    capture = reader._capture

    def look_up(numbers: Any, name: Any, kind: Any) -> Any:
        encoded = numbers.dictionary_encode()
        values = pa.array([name(number) for number in encoded.dictionary.to_pylist()], kind).dictionary_encode()
        return pa.DictionaryArray.from_arrays(values.indices.take(encoded.indices), values.dictionary)

    def frame(position: int) -> Any:
        return lambda stack: (capture.innermost(stack) or (None, None, None))[position]

    names = {
        "allocator": look_up(columns["allocator"], lambda number: AllocatorType(number).name, pa.string()),
        "thread_name": look_up(columns["tid"], capture.thread_name, pa.string()),
        "function": look_up(columns["stack_id"], frame(0), pa.string()),
        "file": look_up(columns["stack_id"], frame(1), pa.string()),
        "line": look_up(columns["stack_id"], frame(2), pa.int64()).dictionary_decode(),
    }
    return pa.RecordBatch.from_pydict({**columns, **names})


def table(reader: FileReader, view: str, merge_threads: bool) -> pyarrow.Table:
    import pyarrow as pa

    views = {
        "peak": reader.get_high_watermark_allocation_records,
        "leaks": reader.get_leaked_allocation_records,
        "temporary": reader.get_temporary_allocation_records,
    }
    if view == "allocations":
        reader._require("get all allocations from")
        parts = _every_record(reader, pa)
    elif view in views:
        parts = _grouped(list(views[view](merge_threads=merge_threads)), pa)
    else:
        raise ValueError(f"there is no view {view!r}; the views are allocations, {', '.join(views)}")
    batches = [_named(columns, reader, pa) for columns in parts]
    if not batches:
        batches = [_named(columns, reader, pa) for columns in _grouped([], pa)]
    return pa.Table.from_batches(batches).unify_dictionaries()
