"""Tracker, against programs that know what they allocate."""
import contextlib
import gc
import mmap
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

import memray
from memray import AllocatorType, FileDestination, FileFormat, FileReader, Tracker
from memray._test import (
    MemoryAllocator,
    MmapAllocator,
    PymallocDomain,
    PymallocMemoryAllocator,
    _cython_allocate_in_two_places,
    _cython_nested_allocation,
    allocate_without_gil_held,
    fill_cpp_vector,
    function_caller,
    set_thread_name,
)

HERE = __file__
PAGE = mmap.PAGESIZE
ALLOCATE = ["malloc", "calloc", "realloc", "valloc", "pvalloc", "posix_memalign", "aligned_alloc", "memalign"]


@pytest.fixture
def output(tmp_path):
    return tmp_path / "capture.bin"


def records(path):
    with FileReader(path) as reader:
        return list(reader.get_allocation_records())


def of_size(path, *sizes):
    return [record for record in records(path) if record.size in sizes]


def line_of(text):
    with open(HERE) as file:
        return next(number for number, line in enumerate(file, 1) if text in line)


def run_script(text, *arguments, code=0, **options):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(text), *map(str, arguments)],
        capture_output=True, text=True, timeout=120, **options,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done


# ------------------------------------------------------------------------------------------------ what is recorded


@pytest.mark.parametrize("options", [{}, {"trace_python_allocators": True}, {"native_traces": True}])
def test_an_empty_block_records_nothing(output, options):
    with Tracker(output, **options):
        pass
    assert records(output) == []


@pytest.mark.parametrize("kind", ALLOCATE)
def test_each_allocator_and_its_free(output, kind):
    allocator = MemoryAllocator()
    with Tracker(output):
        assert getattr(allocator, kind)(1234)
        allocator.free()
    made = of_size(output, 1234)
    assert [(AllocatorType(r.allocator).name, r.n_allocations) for r in made] == [(kind.upper(), 1)]
    freed = [r for r in records(output) if r.address == made[0].address and r.allocator == AllocatorType.FREE]
    assert len(freed) == 1
    assert made[0].stack_trace()[0][:2] == (kind, memray._test.__file__)


def test_realloc_is_a_free_and_an_allocation(output):
    allocator = MemoryAllocator()
    with Tracker(output):
        allocator.realloc(54321)
    kinds = [(AllocatorType(r.allocator).name, r.size) for r in records(output)]
    assert kinds == [("MALLOC", 1), ("FREE", 0), ("REALLOC", 54321)]


def test_exact_counts(output):
    allocators = [MemoryAllocator() for _ in range(1000)]
    with Tracker(output):
        for allocator in allocators:
            allocator.valloc(4321)
    found = of_size(output, 4321)
    assert len(found) == 1000 and len({r.stack_id for r in found}) == 1
    for allocator in allocators:
        allocator.free()


def test_memory_from_before_is_freed_inside(output):
    allocator = MemoryAllocator()
    allocator.valloc(1234)
    with Tracker(output):
        allocator.free()
    assert [AllocatorType(r.allocator).name for r in records(output)] == ["FREE"]


def test_mapping_with_a_hole(output):
    with Tracker(output):
        mapping = MmapAllocator(8 * PAGE)
        mapping.munmap(2 * PAGE, 3 * PAGE)
    try:
        with FileReader(output) as reader:
            leaks = list(reader.get_leaked_allocation_records())
            assert [(r.size, r.n_allocations) for r in leaks if r.allocator == AllocatorType.MMAP] == [(6 * PAGE, 2)]
            holes = [r for r in reader.get_allocation_records() if r.allocator == AllocatorType.MUNMAP]
            assert [(r.address, r.size) for r in holes] == [(mapping.address + 3 * PAGE, 2 * PAGE)]
    finally:
        mapping.munmap(8 * PAGE)


@pytest.mark.parametrize("domain", list(PymallocDomain))
@pytest.mark.parametrize("kind", ["malloc", "calloc", "realloc"])
def test_pymalloc_domains(output, domain, kind):
    allocator = PymallocMemoryAllocator(domain)
    with Tracker(output, trace_python_allocators=True):
        getattr(allocator, kind)(333)
        allocator.free()
    made = of_size(output, 333)
    assert [AllocatorType(r.allocator).name for r in made] == [f"PYMALLOC_{kind.upper()}"]
    freed = [r for r in records(output) if r.address == made[0].address and r.allocator == AllocatorType.PYMALLOC_FREE]
    assert len(freed) == 1 and freed[0].stack_trace() == []


def test_python_allocators_are_not_recorded_unless_asked_for(output):
    allocator = PymallocMemoryAllocator(PymallocDomain.PYMALLOC_OBJECT)
    with Tracker(output):
        allocator.malloc(333)
        allocator.free()
    assert of_size(output, 333) == []


# ------------------------------------------------------------------------------------------------------- stacks


def test_stacks_end_at_the_frame_that_entered(output):
    allocator = MemoryAllocator()

    def inner():
        allocator.valloc(1234)  # inner valloc

    def outer():
        inner()  # outer call

    with Tracker(output):
        outer()  # test call
    (record,) = of_size(output, 1234)
    assert record.stack_trace() == [
        ("valloc", memray._test.__file__, 50),
        ("inner", HERE, line_of("# inner valloc")),
        ("outer", HERE, line_of("# outer call")),
        ("test_stacks_end_at_the_frame_that_entered", HERE, line_of("# test call")),
    ]
    assert record.stack_trace(max_stacks=2) == record.stack_trace()[:2]
    assert record.hybrid_stack_trace() == record.stack_trace()


def test_a_helper_that_enters_and_returns_cuts_nothing_wrongly(output):
    allocator = MemoryAllocator()
    tracker = Tracker(output)

    def enter():
        tracker.__enter__()

    def allocate():
        allocator.valloc(1234)

    enter()
    allocate()
    tracker.__exit__(None, None, None)
    (record,) = of_size(output, 1234)
    functions = [frame[0] for frame in record.stack_trace()]
    assert functions[:3] == ["valloc", "allocate", "test_a_helper_that_enters_and_returns_cuts_nothing_wrongly"]


def test_lines_of_all_frames_are_those_of_the_moment(output):
    allocator = MemoryAllocator()
    with Tracker(output):
        allocator.valloc(1111)  # first
        allocator.valloc(2222)  # second
    lines = {r.size: r.stack_trace()[1][2] for r in of_size(output, 1111, 2222)}
    assert lines == {1111: line_of("# first"), 2222: line_of("# second")}


def test_stacks_survive_setprofile(output):
    allocator = MemoryAllocator()
    with Tracker(output):
        sys.setprofile(lambda *_: None)
        try:
            allocator.valloc(1234)
        finally:
            sys.setprofile(None)
    (record,) = of_size(output, 1234)
    assert [frame[0] for frame in record.stack_trace()] == ["valloc", "test_stacks_survive_setprofile"]


def test_deep_recursion(output):
    allocator = MemoryAllocator()

    def recurse(depth):
        if depth:
            return recurse(depth - 1)
        allocator.valloc(1234)

    with Tracker(output):
        recurse(500)
    (record,) = of_size(output, 1234)
    assert [frame[0] for frame in record.stack_trace()].count("recurse") == 501


def test_functions_without_a_frame_are_not_on_python_stacks(output):
    allocator = MemoryAllocator()
    with Tracker(output):
        _cython_nested_allocation(allocator.valloc, 1234)
        allocator.free()
    assert [[frame[0] for frame in r.stack_trace()] for r in of_size(output, 1234)] == [
        ["valloc", "test_functions_without_a_frame_are_not_on_python_stacks"],
        ["test_functions_without_a_frame_are_not_on_python_stacks"],
    ]


def test_native_stacks(output):
    with Tracker(output, native_traces=True):
        _cython_allocate_in_two_places(1234)
        function_caller(lambda: fill_cpp_vector(2048))
    with FileReader(output) as reader:
        assert reader.metadata.has_native_traces
        made = list(reader.get_allocation_records())
        two = [r for r in made if r.size == 1234]
        assert two[0].stack_trace() == two[1].stack_trace()
        natives = [[frame[0] for frame in r.native_stack_trace()] for r in two]
        assert natives[0] != natives[1]
        assert all(any("allocate_in_two_places" in name for name in stack) for stack in natives)
        vector = next(r for r in made if r.size == 2048)
        functions = [frame[0] for frame in vector.hybrid_stack_trace()]
        python = [name for name in functions if name in ("<lambda>", "test_native_stacks")]
        assert python == ["<lambda>", "test_native_stacks"] and functions[-1] == "test_native_stacks"
        between = functions[functions.index("<lambda>") : functions.index("test_native_stacks")]
        assert any("function_caller" in name for name in between)


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
        assert metadata.total_allocations == len(list(reader.get_allocation_records())) == 1
        assert metadata.main_thread_id == next(reader.get_allocation_records()).tid
        assert metadata.file_format is FileFormat.ALL_ALLOCATIONS
        assert metadata.python_allocator == "pymalloc"
        assert not metadata.trace_python_allocators


# ----------------------------------------------------------------------------------------- entering and leaving


def test_only_one_at_a_time(tmp_path):
    tracker = Tracker(tmp_path / "one")
    with tracker:
        with pytest.raises(RuntimeError, match="No more than one Tracker"):
            tracker.__enter__()
        other = Tracker(tmp_path / "two")
        with pytest.raises(RuntimeError, match="No more than one Tracker"):
            with other:
                pass
    with other:
        MemoryAllocator().valloc(1234)
    assert len(of_size(tmp_path / "two", 1234)) == 1


def test_a_tracker_records_once(output):
    tracker = Tracker(output)
    with tracker:
        pass
    with pytest.raises(RuntimeError, match="stale"):
        with tracker:
            pass


def test_several_made_before_any_is_entered(tmp_path):
    trackers = [Tracker(tmp_path / str(i)) for i in range(3)]
    for i in (2, 0, 1):
        with trackers[i] as entered:
            assert entered is trackers[i]
            MemoryAllocator().valloc(1000 + i)
    assert [len(of_size(tmp_path / str(i), 1000 + i)) for i in range(3)] == [1, 1, 1]


def test_one_after_the_other_without_leaks(tmp_path):
    def once(i):
        with Tracker(tmp_path / str(i)):
            MemoryAllocator().valloc(1234)
        assert len(of_size(tmp_path / str(i), 1234)) == 1

    def open_files():
        paths = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
        return sorted(os.readlink(path) for path in paths if os.path.lexists(path))

    once(0)
    gc.collect()
    files, threads = open_files(), threading.active_count()
    maps = len(open("/proc/self/maps").readlines())
    for i in range(1, 15):
        once(i)
    gc.collect()
    assert len(open_files()) <= len(files) and threading.active_count() == threads
    assert len(open("/proc/self/maps").readlines()) <= maps + 4


def test_exit_without_enter_is_harmless_and_leaves_nothing(output):
    tracker = Tracker(output)
    tracker.__exit__(None, None, None)
    del tracker
    gc.collect()
    assert not output.exists()


def test_exceptions_pass_through(output):
    with pytest.raises(ZeroDivisionError):
        with Tracker(output):
            MemoryAllocator().valloc(1234)
            1 / 0
    assert len(of_size(output, 1234)) == 1


def test_exit_stacks(output):
    with contextlib.ExitStack() as stack:
        assert isinstance(stack.enter_context(Tracker(output)), Tracker)
        MemoryAllocator().valloc(1234)
    assert len(of_size(output, 1234)) == 1


def test_nothing_is_recorded_after_leaving(output):
    go, end = threading.Event(), threading.Event()

    def work():
        go.wait()
        MemoryAllocator().valloc(1234)
        end.set()

    thread = threading.Thread(target=work)
    with Tracker(output):
        thread.start()
    go.set()
    end.wait()
    thread.join()
    assert of_size(output, 1234) == []


# -------------------------------------------------------------------------------------------- outputs, refusals


@pytest.mark.parametrize(
    "arguments, error",
    [
        ({}, TypeError),
        ({"file_name": "x", "destination": FileDestination("x")}, TypeError),
        ({"destination": 3}, TypeError),
        ({"file_name": "x", "unknown": 1}, TypeError),
        ({"file_name": 3}, TypeError),
        ({"file_name": "x", "file_format": 7}, RuntimeError),
        ({"file_name": "x", "track_object_lifetimes": True}, RuntimeError),
        ({"file_name": "x", "memory_interval_ms": -1}, OverflowError),
        ({"destination": memray.SocketDestination(server_port=1), "follow_fork": True}, RuntimeError),
        (
            {
                "destination": memray.SocketDestination(server_port=1),
                "file_format": FileFormat.AGGREGATED_ALLOCATIONS,
            },
            RuntimeError,
        ),
    ],
)
def test_arguments_that_make_no_sense(tmp_path, monkeypatch, arguments, error):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error):
        Tracker(**arguments)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_kept_unless_overwrite(output):
    output.write_text("precious")
    with pytest.raises(FileExistsError, match="already exists"):
        Tracker(output)
    assert output.read_text() == "precious"
    with Tracker(destination=FileDestination(output, overwrite=True)):
        MemoryAllocator().valloc(1234)
    assert len(of_size(output, 1234)) == 1


@pytest.mark.parametrize("name", ["missing/capture.bin", "file/capture.bin"])
def test_an_output_that_cannot_be_made_fails_at_once(tmp_path, name):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="Could not create output file"):
        Tracker(tmp_path / name)


def test_null_device(tmp_path):
    with Tracker("/dev/null"):
        MemoryAllocator().valloc(1234)
    with Tracker(destination=FileDestination("/dev/null", overwrite=True)):
        pass
    assert os.path.exists("/dev/null")


def test_relative_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Tracker("capture.bin"):
        monkeypatch.chdir("/")
        MemoryAllocator().valloc(1234)
    assert len(of_size(tmp_path / "capture.bin", 1234)) == 1


def test_plugins_by_name(output):
    with Tracker(output, unwinders="none"):
        MemoryAllocator().valloc(1234)
    (record,) = of_size(output, 1234)
    assert record.stack_trace() == []
    with pytest.raises(OSError, match="nonesuch"):
        Tracker(output.with_name("other"), unwinders=["nonesuch"])
    with Tracker(sink="null"):
        pass


# ------------------------------------------------------------------------------------------ while it is running


def test_the_file_is_a_capture_from_the_beginning_and_grows(output):
    allocator = MemoryAllocator()
    with Tracker(output) as tracker:
        at_entry = len(records(output))
        for _ in range(100):
            allocator.valloc(1234)
            allocator.free()
        found = [r for r in tracker.snapshot().get_allocation_records() if r.size == 1234]
        assert len(found) == 100
        deadline = time.monotonic() + 20
        while len(of_size(output, 1234)) < 100 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert at_entry < len(records(output))
    assert len(of_size(output, 1234)) == 100


def test_snapshots_show_what_is_live_now(output, tmp_path):
    allocator = MemoryAllocator()
    with Tracker(output) as tracker:
        allocator.valloc(5_000_000)
        live = {r.size for r in tracker.snapshot().get_leaked_allocation_records()}
        allocator.free()
        memray.snapshot(tmp_path / "now.bin")
        after = {r.size for r in tracker.snapshot().get_leaked_allocation_records()}
    assert 5_000_000 in live and 5_000_000 not in after
    assert 5_000_000 in {r.size for r in FileReader(tmp_path / "now.bin").get_high_watermark_allocation_records()}
    with pytest.raises(RuntimeError):
        memray.snapshot(tmp_path / "later.bin")
    with pytest.raises(RuntimeError):
        tracker.snapshot()


def test_snapshot_from_a_signal_handler(output, tmp_path):
    allocator = MemoryAllocator()
    old = signal.signal(signal.SIGUSR1, lambda *_: memray.snapshot(tmp_path / "now.bin"))
    try:
        with Tracker(output):
            allocator.valloc(1234)
            os.kill(os.getpid(), signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, old)
    assert len(of_size(tmp_path / "now.bin", 1234)) == 1


def test_reset_peak(output):
    allocator = MemoryAllocator()
    with Tracker(output) as tracker:
        allocator.valloc(9_000_000)
        allocator.free()
        tracker.reset_peak()
        allocator.valloc(1_000_000)
        allocator.free()
    with FileReader(output) as reader:
        assert 1_000_000 in {r.size for r in reader.get_high_watermark_allocation_records()}


# --------------------------------------------------------------------------------------------- ends, and children

PRELUDE = """
import os, signal, sys
import memray
from memray._test import MemoryAllocator
allocator = MemoryAllocator()
"""


@pytest.mark.parametrize("file_format", list(FileFormat))
@pytest.mark.parametrize(
    "end, code",
    [
        ("os._exit(3)", 3),
        ("os.kill(os.getpid(), signal.SIGKILL)", -9),
        ("os.kill(os.getpid(), signal.SIGTERM)", -15),
        ("os.abort()", -6),
        ("sys.exit(5)", 5),
    ],
)
def test_nothing_is_lost_however_it_ends(output, end, code, file_format):
    run_script(
        f"{PRELUDE}\nwith memray.Tracker(sys.argv[1], file_format={int(file_format)}):\n"
        f"    for _ in range(1000): allocator.valloc(1234)\n    {end}\n",
        output, code=code,
    )  # fmt: skip
    deadline = time.monotonic() + 20  # the collector outlives the program by a moment
    while True:
        with FileReader(output) as reader:
            found = sum(r.n_allocations for r in reader.get_leaked_allocation_records() if r.size == 1234 * r.n_allocations)
        if found == 1000 or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    assert found == 1000


FORKING = PRELUDE + """
with memray.Tracker(sys.argv[1], follow_fork=sys.argv[2] == "follow"):
    pid = os.fork()
    if pid == 0:
        allocator.valloc(2222)
        grandchild = os.fork()
        if grandchild == 0:
            allocator.valloc(3333)
            os._exit(0)
        os.waitpid(grandchild, 0)
        print(os.getpid(), grandchild)
        sys.stdout.flush()
        os._exit(0)
    os.waitpid(pid, 0)
    allocator.valloc(1111)
"""


def sizes(path):
    return {r.size for r in records(path)} & {1111, 2222, 3333}


def test_children_are_not_recorded_unless_asked_for(output):
    run_script(FORKING, output, "stay")
    assert sizes(output) == {1111} and len(list(output.parent.iterdir())) == 1


def test_followed_children_write_captures_of_their_own(output):
    child, grandchild = run_script(FORKING, output, "follow").stdout.split()
    assert sizes(output) == {1111}
    files = {path.name for path in output.parent.iterdir()}
    assert files == {output.name, f"{output.name}.{child}", f"{output.name}.{grandchild}"}
    deadline = time.monotonic() + 20
    for pid, size in ((child, 2222), (grandchild, 3333)):
        path = output.with_name(f"{output.name}.{pid}")
        while sizes(path) != {size} and time.monotonic() < deadline:
            time.sleep(0.05)
        assert sizes(path) == {size}
        with FileReader(path) as reader:
            assert reader.metadata.pid == int(pid)


def test_a_child_may_record_itself(output):
    text = PRELUDE + """
with memray.Tracker(sys.argv[1]):
    pid = os.fork()
    if pid == 0:
        with memray.Tracker(sys.argv[1] + ".child"):
            allocator.valloc(2222)
        os._exit(0)
    os.waitpid(pid, 0)
    allocator.valloc(1111)
"""
    run_script(text, output)
    assert sizes(output) == {1111} and sizes(f"{output}.child") == {2222}


def test_start_thread_trace_is_accepted(output):
    with Tracker(output):
        threading.setprofile(memray.start_thread_trace)
        try:
            thread = threading.Thread(target=lambda: MemoryAllocator().valloc(1234))
            thread.start()
            thread.join()
        finally:
            threading.setprofile(None)
    (record,) = of_size(output, 1234)
    assert [frame[0] for frame in record.stack_trace()][:2] == ["valloc", "<lambda>"]
