"""FileReader and what stands on it, against programs that know what they allocate."""
import collections
import copy
import datetime
import os
import pathlib
import pickle
import subprocess
import sys

import pytest

import memray
from memray import AllocatorType, FileFormat, FileReader

PROGRAM = """\
import threading
from memray._test import MemoryAllocator, MmapAllocator

PAGE = 4096
kept = []

def leak(size):
    allocator = MemoryAllocator()
    allocator.valloc(size)
    kept.append(allocator)

def pass_by(size):
    allocator = MemoryAllocator()
    allocator.valloc(size)
    allocator.free()

def work():
    leak(70001)
    pass_by(90001)

for _ in range(3):
    leak(50001)
pass_by(1234567)
mapping = MmapAllocator(8 * PAGE)
mapping.munmap(2 * PAGE, 3 * PAGE)
thread = threading.Thread(target=work, name="worker")
thread.start()
thread.join()
for kind in ["malloc", "calloc", "realloc", "memalign", "pvalloc", "posix_memalign", "aligned_alloc"]:
    allocator = MemoryAllocator()
    getattr(allocator, kind)(30001)
    allocator.free()
"""
PAGE = 4096
LINE = {name: number for number, text in enumerate(PROGRAM.splitlines(), 1) for name in [text.strip()]}


@pytest.fixture(scope="module")
def capture(record):
    return record(PROGRAM)


@pytest.fixture
def reader(capture):
    with FileReader(capture) as reader:
        yield reader


def of_program(records):
    """Those that PROGRAM made on purpose: by size."""
    sizes = {50001, 70001, 90001, 1234567, 30001, 8 * PAGE, 6 * PAGE, 150003}
    return [record for record in records if record.size in sizes]


def test_every_record_in_order(reader):
    records = list(reader.get_allocation_records())
    own = [(AllocatorType(record.allocator).name, record.size) for record in of_program(records)]
    assert own == [
        *[("VALLOC", 50001)] * 3,
        ("VALLOC", 1234567),
        ("MMAP", 8 * PAGE),
        ("VALLOC", 70001),
        ("VALLOC", 90001),
        *[(kind, 30001) for kind in "MALLOC CALLOC REALLOC MEMALIGN PVALLOC POSIX_MEMALIGN ALIGNED_ALLOC".split()],
    ]
    assert len(records) == reader.metadata.total_allocations


def test_a_free_has_the_address_of_its_allocation_and_no_size(reader):
    records = list(reader.get_allocation_records())
    place = next(i for i, record in enumerate(records) if record.size == 1234567)
    after = [record for record in records[place + 1 :] if record.address == records[place].address]
    assert (after[0].allocator, after[0].size, after[0].n_allocations) == (AllocatorType.FREE, 0, 1)


def test_munmap_has_its_address_and_length(reader):
    records = list(reader.get_allocation_records())
    mapping = next(r for r in records if r.allocator == AllocatorType.MMAP and r.size == 8 * PAGE)
    hole = next(r for r in records if r.allocator == AllocatorType.MUNMAP and r.address == mapping.address + 3 * PAGE)
    assert hole.size == 2 * PAGE


def test_stacks_are_innermost_first(reader, capture):
    record = next(r for r in reader.get_allocation_records() if r.size == 50001)
    program = str(capture.parent / "program.py")
    allocate = ("valloc", memray._test.__file__ if hasattr(memray, "_test") else None, 50)
    stack = record.stack_trace()
    assert stack[0][0] == allocate[0] and stack[0][2] == allocate[2] and stack[0][1].endswith("_test.py")
    assert stack[1:] == [("leak", program, 9), ("<module>", program, LINE["leak(50001)"])]
    assert record.stack_trace(max_stacks=1) == stack[:1]
    assert record.stack_trace(0) == []
    assert record.hybrid_stack_trace() == stack and record.native_stack_trace() == []


def test_equal_paths_share_a_stack_id(reader):
    ids = {size: {r.stack_id for r in reader.get_allocation_records() if r.size == size} for size in (50001, 1234567)}
    assert len(ids[50001]) == 1 and ids[50001] != ids[1234567]


@pytest.mark.parametrize("allocator", [AllocatorType.FREE, AllocatorType.MUNMAP])
def test_deallocations_have_no_stack(reader, allocator):
    record = next(r for r in reader.get_allocation_records() if r.allocator == allocator)
    for method in (record.stack_trace, record.native_stack_trace, record.hybrid_stack_trace):
        with pytest.raises(NotImplementedError):
            method()


def test_peak_is_what_was_live_then(reader):
    records = list(reader.get_high_watermark_allocation_records())
    assert sum(record.size for record in records) == reader.metadata.peak_memory
    assert [(r.size, r.n_allocations) for r in of_program(records)] == [(150003, 3), (1234567, 1)]


def test_leaks_are_what_nobody_freed(reader):
    leaks = of_program(reader.get_leaked_allocation_records())
    assert [(r.size, r.n_allocations) for r in leaks] == [(150003, 3), (6 * PAGE, 2), (70001, 1)]


def test_merged_records_say_so(reader):
    merged = next(r for r in reader.get_leaked_allocation_records() if r.size == 70001)
    assert (merged.tid, merged.thread_name) == (-1, "merged thread")


def test_threads_have_numbers_and_names(reader):
    kept = {r.size: r for r in reader.get_leaked_allocation_records(merge_threads=False)}
    assert kept[150003].tid == reader.metadata.main_thread_id
    assert kept[70001].tid not in (-1, kept[150003].tid)
    assert kept[70001].thread_name == "worker"


def test_temporary_ones_were_freed_at_once(reader):
    sizes = {r.size for r in reader.get_temporary_allocation_records(threshold=0)}
    assert {1234567, 90001} <= sizes and not {150003, 70001} & sizes
    with pytest.raises(ValueError):
        next(reader.get_temporary_allocation_records(threshold=-1))


def test_temporal_records_add_up_to_leaks(record):
    text = "import time\nkept = []\nfor _ in range(30):\n    kept.append(bytearray(100_000))\n    time.sleep(0.01)\n"
    with FileReader(record(text, "--memory-interval", "5")) as reader:
        snapshots = list(reader.get_memory_snapshots())
        kept = [r for r in reader.get_temporal_allocation_records() if r.stack_trace()[:1] and r.stack_trace()[0][2] == 4]
        alive = [i for r in kept for i in r.intervals if i.deallocated_before_snapshot is None]
        leaked = [r for r in reader.get_leaked_allocation_records() if r.stack_trace()[:1] and r.stack_trace()[0][2] == 4]
        peaks, marks = reader.get_temporal_high_water_mark_allocation_records()
        assert len(snapshots) > 2 and len(alive) > 2
        assert sum(i.n_bytes for i in alive) == sum(r.size for r in leaked)
        assert len(marks) == len(snapshots) + 1 and max(marks) == reader.metadata.peak_memory
        assert all(len(interval) == 4 for r in peaks for interval in r.intervals)
        assert all(before.time <= after.time for before, after in zip(snapshots, snapshots[1:]))
        assert all(snapshot.rss > 0 for snapshot in snapshots)


def test_metadata(reader, capture):
    metadata = reader.metadata
    now = datetime.datetime.now().astimezone()
    assert metadata.start_time <= metadata.end_time <= now
    assert now - metadata.start_time < datetime.timedelta(hours=1)
    assert metadata.start_time.microsecond % 1000 == 0
    assert metadata.command_line.endswith(str(capture.parent / "program.py"))
    assert metadata.python_allocator == "pymalloc"
    assert metadata.file_format is FileFormat.ALL_ALLOCATIONS
    assert not metadata.has_native_traces and not metadata.trace_python_allocators


def test_statistics_are_totals_of_the_records(reader, capture):
    statistics = memray.compute_statistics(capture, num_largest=3)
    made = [r for r in reader.get_allocation_records() if AllocatorType(r.allocator).name not in ("FREE", "MUNMAP")]
    assert statistics.total_num_allocations == len(made)
    assert statistics.total_memory_allocated == sum(r.size for r in made)
    assert statistics.peak_memory_allocated == reader.metadata.peak_memory
    assert statistics.allocation_count_by_size == collections.Counter(r.size for r in made)
    names = collections.Counter(AllocatorType(r.allocator).name for r in made)
    assert statistics.allocation_count_by_allocator == names
    by_place = collections.Counter()
    for r in made:
        by_place[r.stack_trace(max_stacks=1)[0] if r.stack_id else ("", "", 0)] += r.size
    assert statistics.top_locations_by_size == by_place.most_common(3)
    assert statistics.metadata == reader.metadata


def test_native_and_hybrid_stacks(record):
    capture = record("from memray._test import fill_cpp_vector\ndef fill():\n    fill_cpp_vector(2048)\nfill()\n", "--native")
    with FileReader(capture) as reader:
        assert reader.metadata.has_native_traces
        made = [r for r in reader.get_allocation_records() if r.size == 2048 and r.native_stack_id]
        record = next(r for r in made if any("fill_cpp_vector" in f[0] for f in r.native_stack_trace()))
        native = [frame[0] for frame in record.native_stack_trace()]
        hybrid = record.hybrid_stack_trace()
        functions = [frame[0] for frame in hybrid]
        assert native[0].startswith("operator new") and "fill" not in native
        inner = next(i for i, name in enumerate(functions) if "fill_cpp_vector" in name)
        assert inner < functions.index("fill") < functions.index("<module>")
        assert [f for f in hybrid if f in record.stack_trace()] == record.stack_trace()


def test_aggregated_captures_have_totals_only(record):
    capture = record(PROGRAM, "--aggregate")
    with FileReader(capture) as reader:
        assert reader.metadata.file_format is FileFormat.AGGREGATED_ALLOCATIONS
        leaks = of_program(reader.get_leaked_allocation_records())
        assert [(r.size, r.n_allocations) for r in leaks] == [(150003, 3), (6 * PAGE, 2), (70001, 1)]
        for method in (
            reader.get_allocation_records,
            reader.get_temporary_allocation_records,
            reader.get_temporal_allocation_records,
        ):
            with pytest.raises(NotImplementedError):
                next(method())
        with pytest.raises(NotImplementedError):
            reader.get_temporal_high_water_mark_allocation_records()
    with pytest.raises(NotImplementedError):
        memray.compute_statistics(capture)


def test_object_lifetimes_that_were_not_recorded(reader):
    with pytest.raises(RuntimeError, match="track_object_lifetimes"):
        next(reader.get_object_lifetime_events())


def test_closed_readers(capture):
    reader = FileReader(capture)
    started = reader.get_allocation_records()
    next(started)
    assert not reader.closed
    reader.close()
    reader.close()
    assert reader.closed
    for method in (
        reader.get_allocation_records,
        reader.get_high_watermark_allocation_records,
        reader.get_leaked_allocation_records,
        reader.get_temporary_allocation_records,
        reader.get_temporal_allocation_records,
    ):
        records = method()
        with pytest.raises(ValueError):
            next(records)
    with pytest.raises(ValueError):
        reader.get_temporal_high_water_mark_allocation_records()
    assert reader.metadata.peak_memory > 0
    list(reader.get_memory_snapshots())


def test_methods_may_be_called_again_and_file_removed(capture, tmp_path):
    copied = tmp_path / "copy.bin"
    copied.write_bytes(capture.read_bytes())
    reader = FileReader(copied)
    copied.unlink()
    assert list(reader.get_allocation_records()) == list(reader.get_allocation_records())
    assert [r.size for r in reader.get_leaked_allocation_records()] == [r.size for r in reader.get_leaked_allocation_records()]


@pytest.mark.parametrize(
    "content, reason",
    [(b"", "is empty"), (b"hello, world, this is some text", "does not look like a binary generated by memray")],
)
def test_files_that_are_no_captures(tmp_path, content, reason):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(OSError, match=reason):
        FileReader(tmp_path / "file")


def test_files_that_cannot_be_opened(tmp_path):
    with pytest.raises(FileNotFoundError, match="Could not open file .*missing: No such file or directory"):
        FileReader(tmp_path / "missing")
    with pytest.raises(OSError):
        FileReader(tmp_path)
    with pytest.raises(OSError):
        memray.dump_all_records(tmp_path / "missing")


def test_what_was_cut_off_is_read_as_far_as_it_goes(capture, tmp_path, capsys):
    torn = tmp_path / "torn.bin"
    torn.write_bytes(capture.read_bytes()[:-100])
    with FileReader(torn) as reader:
        assert len(list(reader.get_allocation_records())) > 0
    assert capsys.readouterr().err.startswith("Memray ERROR: ")
    memray.set_log_level(100)
    try:
        FileReader(torn)
    finally:
        memray.set_log_level(30)
    assert capsys.readouterr().err == ""


def test_records_from_tuples():
    record = memray.AllocationRecord((1, 2, 3000, 10, 5, 7))
    assert (record.tid, record.address, record.size, record.allocator) == (1, 2, 3000, AllocatorType.MMAP)
    assert (record.stack_id, record.n_allocations, record.native_stack_id) == (5, 7, 0)
    assert record == memray.AllocationRecord((1, 2, 3000, 10, 5, 7))
    assert record != memray.AllocationRecord((1, 2, 3001, 10, 5, 7))
    assert hash(record) == hash(memray.AllocationRecord((1, 2, 3000, 10, 5, 7, 0, 0)))
    assert repr(record) == "AllocationRecord<tid=0x1, address=0x2, size=3.000kB, allocator=10, allocations=7>"
    with pytest.raises(AssertionError):
        record.stack_trace()
    with pytest.raises(TypeError):
        memray.AllocationRecord((1, 2))
    with pytest.raises(AttributeError):
        record.size = 4


def test_enums_have_the_documented_numbers():
    names = "MALLOC FREE CALLOC REALLOC POSIX_MEMALIGN ALIGNED_ALLOC MEMALIGN VALLOC PVALLOC MMAP MUNMAP".split()
    names += "PYMALLOC_MALLOC PYMALLOC_CALLOC PYMALLOC_REALLOC PYMALLOC_FREE".split()
    assert [(kind.name, kind.value) for kind in AllocatorType] == [(name, i) for i, name in enumerate(names, 1)]
    assert [(f.name, f.value) for f in FileFormat] == [("ALL_ALLOCATIONS", 1), ("AGGREGATED_ALLOCATIONS", 2)]
    assert (memray.PymallocDomain.RAW, memray.PymallocDomain.MEM, memray.PymallocDomain.OBJECT) == (1, 2, 3)
    assert [s.name for s in memray.SymbolicSupport] == ["NONE", "FUNCTION_NAME_ONLY", "TOTAL"]
    assert [s.value for s in memray.SymbolicSupport] == [1, 2, 3]


@pytest.mark.parametrize(
    "size, text", [(0, "0.000B"), (960, "960.000B"), (8986, "8.986kB"), (10**6, "1.000MB"), (-5, "-5.000B"), (2**64, "18.447EB")]
)
def test_size_fmt(size, text):
    assert memray.size_fmt(size) == text


def test_symbolic_support_is_what_the_file_has():
    executable = pathlib.Path(f"/proc/{os.getpid()}/exe").resolve()
    sections = subprocess.run(["readelf", "-SW", executable], capture_output=True, text=True).stdout
    expected = "TOTAL" if ".debug_info" in sections else "FUNCTION_NAME_ONLY" if ".symtab" in sections else "NONE"
    if "libpython" not in pathlib.Path("/proc/self/maps").read_text():
        assert memray.get_symbolic_support().name == expected


def test_dump_is_what_parse_prints(capture, capsys):
    memray.dump_all_records(capture)
    assert f"size={1234567}" in capsys.readouterr().out


def test_names_and_import_time_modules():
    assert set(memray.__all__) <= set(dir(memray))
    for name in ("AllocationRecord", "FileReader", "compute_statistics", "size_fmt", "get_symbolic_support"):
        assert getattr(memray, name) is getattr(__import__("memray._memray")._memray, name)
    done = subprocess.run(
        [sys.executable, "-c", "import memray, sys; print([m for m in ('asyncio', 'numpy', 'email', 'IPython') if m in sys.modules])"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.strip() == "[]"
