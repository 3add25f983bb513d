"""SocketDestination and SocketReader: two processes, one of which watches the other."""
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time

import memray
import pytest


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


PROGRAM = """
    import sys, memray
    from memray._test import MemoryAllocator

    def hold():
        small, large = MemoryAllocator(), MemoryAllocator()
        small.valloc(1234)
        large.posix_memalign(4096 * 100)
        gone = MemoryAllocator()
        gone.valloc(70_000)
        gone.free()
        return small, large

    with memray.Tracker(destination=memray.SocketDestination(server_port=int(sys.argv[1]))):
        small, large = hold()
        print("held", flush=True)
        sys.stdin.readline()
        small.free()
        large.free()
        print("freed", flush=True)
        sys.stdin.readline()
"""


@pytest.fixture
def tracked():
    port = free_port()
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), str(port)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.port = port
    yield process
    process.kill()
    process.communicate()


def held(reader, **options):
    return {
        record.size
        for record in reader.get_current_snapshot(**{"merge_threads": True, **options})
        if any(function == "hold" for function, _, _ in record.stack_trace())
    }


def wait_until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_what_is_live(tracked):
    reader = memray.SocketReader(tracked.port)
    assert (reader.command_line, reader.pid, reader.has_native_traces, reader.is_active) == (None, None, False, False)
    assert list(reader.get_current_snapshot(merge_threads=True)) == []
    with reader:
        assert tracked.stdout.readline() == "held\n"
        assert reader.pid == tracked.pid and reader.command_line == f"-c {tracked.port}" and reader.is_active
        wait_until(lambda: held(reader) >= {1234, 409600})
        assert 70_000 not in held(reader) and held(reader, merge_threads=False) >= {1234, 409600}
        with pytest.raises(ValueError):
            reader.__enter__()
        late = reader.get_current_snapshot(merge_threads=True)
    assert list(late) == [] and not reader.is_active
    with reader:  # again, and the program goes on
        wait_until(lambda: held(reader) >= {1234, 409600})
        tracked.stdin.write("\n")
        tracked.stdin.flush()
        assert tracked.stdout.readline() == "freed\n"
        wait_until(lambda: not held(reader) & {1234, 409600})
        tracked.stdin.write("\n")
        tracked.stdin.flush()
        wait_until(lambda: not reader.is_active)
    _, err = tracked.communicate(timeout=60)
    assert (tracked.returncode, err) == (0, "")


def test_interrupted_while_it_waits(tracked):
    wait_until(lambda: f":{tracked.port:04X} 00000000:0000 0A" in open("/proc/net/tcp").read())
    tracked.send_signal(signal.SIGINT)
    _, err = tracked.communicate(timeout=60)
    assert "KeyboardInterrupt" in err and tracked.returncode != 0
    with pytest.raises(OSError), socket.socket(socket.AF_UNIX) as probe:
        wait_until(lambda: probe.connect(f"\0memray-live-{tracked.port}"))


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost.invalid"])
def test_a_port_that_cannot_be_had(address):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="Address already in use" if address == "127.0.0.1" else "has to be numeric"):
            memray.Tracker(destination=memray.SocketDestination(server_port=port, address=address))


def test_what_is_not_memray():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        child = os.fork()
        if child == 0:
            connection, _ = other.accept()
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            os._exit(0)
        with pytest.raises(memray.MemrayError, match="not memray"):
            memray.SocketReader(other.getsockname()[1]).__enter__()
        os.waitpid(child, 0)


def test_before_it_connects():
    reader = memray.SocketReader(port=4242)
    assert (reader.command_line, reader.pid, reader.has_native_traces, reader.is_active) == (None, None, False, False)
    assert list(reader.get_current_snapshot(merge_threads=False)) == []
    reader.__exit__(None, None, None)
