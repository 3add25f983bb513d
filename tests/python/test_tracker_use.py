"""Using Tracker: entering and leaving, outputs, snapshots, how programs end, children."""
import contextlib
import gc
import os
import signal
import sys
import threading
import time

import pytest

import memray
from memray import FileDestination, FileFormat, FileReader, Tracker
from memray._test import MemoryAllocator
from tracking import of_size, records, run_script


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
