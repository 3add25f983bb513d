"""Tracker and threads, and what reports of its captures show."""
import os
import sys
import threading
import time

import pytest

from memray import AllocatorType, FileFormat, FileReader, Tracker
from memray._test import MemoryAllocator, MmapAllocator, allocate_without_gil_held, set_thread_name
from tracking import of_size


# ------------------------------------------------------------------------------------------------------ threads


def test_threads_started_while_recording(output):
    def work():
        allocator = MemoryAllocator()
        allocator.valloc(1234)
        allocator.free()

    with Tracker(output):
        thread = threading.Thread(target=work, name="worker")
        thread.start()
        thread.join()
    with FileReader(output) as reader:
        (record,) = [r for r in reader.get_allocation_records() if r.size == 1234]
        assert record.tid not in (reader.metadata.main_thread_id, 0)
        assert record.thread_name == "worker"
        functions = [frame[0] for frame in record.stack_trace()]
        assert functions[:2] == ["valloc", "work"] and functions[-1] == "_bootstrap"


def test_threads_that_were_there_before(output):
    go, done, end = threading.Event(), threading.Event(), threading.Event()

    def work():
        go.wait()
        allocator = MemoryAllocator()
        allocator.valloc(1234)
        done.set()
        end.wait()

    thread = threading.Thread(target=work)
    thread.start()
    with Tracker(output):
        go.set()
        done.wait()
    end.set()
    thread.join()
    (record,) = of_size(output, 1234)
    functions = [frame[0] for frame in record.stack_trace()]
    assert functions[:2] == ["valloc", "work"] and functions[-1] == "_bootstrap"


def test_a_thread_that_python_has_not_started(output):
    allocator = MemoryAllocator()
    with Tracker(output):
        MemoryAllocator().run_in_pthread(lambda: allocator.valloc(1234))
    (record,) = of_size(output, 1234)
    assert [frame[0] for frame in record.stack_trace()] == ["valloc", "<lambda>"]


def test_a_thread_without_the_gil_has_its_stack(output):
    main_reads, thread_writes = os.pipe()
    thread_reads, main_writes = os.pipe()

    def work():
        allocate_without_gil_held(thread_writes, thread_reads)

    with Tracker(output):
        thread = threading.Thread(target=work)
        thread.start()
        os.read(main_reads, 1)
        os.write(main_writes, b"1")
        thread.join()
    stacks = {r.size: r.stack_trace()[0][0] for r in of_size(output, 1234, 4321)}
    assert stacks == {1234: "work", 4321: "work"}
    for descriptor in (main_reads, thread_writes, thread_reads, main_writes):
        os.close(descriptor)


def test_thread_numbers_are_not_reused(output):
    def work():
        MemoryAllocator().valloc(1234)

    with Tracker(output):
        for _ in range(5):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
    assert len({r.tid for r in of_size(output, 1234)}) == 5


def test_names_by_prctl(output):
    def work():
        set_thread_name("from_prctl")
        MemoryAllocator().valloc(1234)

    with Tracker(output):
        MemoryAllocator().run_in_pthread(work)
    with FileReader(output) as reader:
        (record,) = [r for r in reader.get_allocation_records() if r.size == 1234]
        assert record.thread_name == "from_prctl"


def test_names_as_they_were(output):
    """Whoever gives them: the thread, another one, Python or the kernel."""
    go, done = threading.Semaphore(0), threading.Semaphore(0)
    allocator = MemoryAllocator()

    def allocate():
        allocator.valloc(1234)
        allocator.free()

    def work():
        allocate()
        threading.current_thread().name = "second"
        allocate()
        done.release()
        go.acquire()
        allocate()
        set_thread_name("the fourth, which is a long one")
        allocate()
        allocate()

    original = vars(threading.Thread)["name"]
    with Tracker(output):
        thread = threading.Thread(target=work, name="first")
        thread.start()
        done.acquire()
        thread.name = "third"
        go.release()
        thread.join()
    assert vars(threading.Thread)["name"] is original
    names = ["first", "second", "third", "the fourth, which is a long one", "the fourth, which is a long one"]
    with FileReader(output) as reader:
        made = [r for r in reader.get_allocation_records() if r.size == 1234]
        assert [r.thread_name for r in made] == names
        freed = {r.address: r for r in reader.get_allocation_records() if r.allocator == AllocatorType.FREE}
        assert {r.thread_name for r in freed.values() if r.tid == made[0].tid} <= set(names)
        (record,) = [r for r in reader.get_high_watermark_allocation_records(merge_threads=False) if r.size == 1234]
        assert record.thread_name == names[-1]


# ------------------------------------------------------------------------------------------------------ views


def test_high_watermark(output):
    first, second = MemoryAllocator(), MemoryAllocator()
    with Tracker(output):
        first.valloc(1024 * 1024)
        first.free()
        second.valloc(3 * 1024 * 1024)
        second.free()
        first.valloc(2 * 1024 * 1024)
    first.free()
    with FileReader(output) as reader:
        peak = list(reader.get_high_watermark_allocation_records())
        assert [(r.size, r.n_allocations) for r in peak] == [(3 * 1024 * 1024, 1)]
        assert reader.metadata.peak_memory == 3 * 1024 * 1024
        assert [r.size for r in reader.get_leaked_allocation_records()] == [2 * 1024 * 1024]
        temporary = list(reader.get_temporary_allocation_records(threshold=0))
        assert sorted(r.size for r in temporary) == [1024 * 1024, 3 * 1024 * 1024]


@pytest.mark.parametrize("interval", [1, 10, 50])
def test_memory_snapshots_begin_with_the_recording(output, interval):
    with Tracker(output, memory_interval_ms=interval):
        MmapAllocator(1 << 20)
        deadline = time.monotonic() + 60
        while sum(1 for _ in FileReader(output).get_memory_snapshots()) < 3 and time.monotonic() < deadline:
            time.sleep(0.1)
    with FileReader(output) as reader:
        snapshots = list(reader.get_memory_snapshots())
    assert snapshots[0].heap == 0 and snapshots[0].rss > 0 and snapshots[-1].heap >= 1 << 20
    assert all(after.time - before.time >= interval for before, after in zip(snapshots, snapshots[1:]))


def test_memory_snapshots(output):
    allocator = MemoryAllocator()
    with Tracker(output, memory_interval_ms=5):
        allocator.valloc(50_000_000)
        deadline = time.monotonic() + 20
        while sum(1 for _ in FileReader(output).get_memory_snapshots()) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
    allocator.free()
    with FileReader(output) as reader:
        snapshots = list(reader.get_memory_snapshots())
    assert len(snapshots) >= 3
    assert max(snapshot.heap for snapshot in snapshots) >= 50_000_000
    assert all(before.time < after.time for before, after in zip(snapshots, snapshots[1:]))


def test_even_the_shortest_recording_has_a_memory_snapshot(output):
    with Tracker(output):
        pass
    with FileReader(output) as reader:
        assert len(list(reader.get_memory_snapshots())) >= 1


def test_aggregated(output):
    allocators = [MemoryAllocator() for _ in range(10)]
    with Tracker(output, file_format=FileFormat.AGGREGATED_ALLOCATIONS):
        for allocator in allocators:
            allocator.valloc(1024)
    for allocator in allocators:
        allocator.free()
    with FileReader(output) as reader:
        assert reader.metadata.file_format is FileFormat.AGGREGATED_ALLOCATIONS
        for found in (reader.get_high_watermark_allocation_records(), reader.get_leaked_allocation_records()):
            assert [(r.size, r.n_allocations) for r in found] == [(10240, 10)]
        with pytest.raises(NotImplementedError):
            next(reader.get_allocation_records())


def test_metadata(output, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["program", "an argument", "50%"])
    with Tracker(output):
        MemoryAllocator().valloc(1234)
    with FileReader(output) as reader:
        metadata = reader.metadata
        assert metadata.command_line == "program an argument 50%"
        assert metadata.pid == os.getpid()
        records = list(reader.get_allocation_records())  # threads of pytest-xdist allocate too
        assert metadata.total_allocations == len(records)
        assert [r.tid for r in records if r.size == 1234] == [metadata.main_thread_id]
        assert metadata.file_format is FileFormat.ALL_ALLOCATIONS
        assert metadata.python_allocator == "pymalloc"
        assert not metadata.trace_python_allocators
