"""memray run --sink=socket: whoever connects, and whenever, gets a capture of the whole recording."""
import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import stat
import struct
import subprocess
import threading

import pytest

from live_client import SIGNATURE, Client, Served, blocks, captures, receive, request, wait_until
from recording import Recording, run


def stats(memray, folder, data):
    """What a report says about the bytes that a client got: (allocations, live bytes at the end without the process's end)."""
    path = folder / "received.bin"
    path.write_bytes(data)
    recording = Recording(str(memray), path, None)
    leaked = json.loads(recording.report("summary", "--json", "--leaks"))
    return recording.stats["allocator_type_distribution"].get("MALLOC", 0), leaked["total_bytes"]


class Counted(Served):
    """A program without end that counts its own calls of malloc."""

    def __init__(self, memray, programs, folder, *options, **served):
        self.memray, self.folder, self.file = memray, folder, folder / "count"
        super().__init__(memray, ["--", programs / "counts", self.file, "forever"], *options, **served)

    @property
    def count(self):
        return struct.unpack("<2Q", self.file.read_bytes().ljust(16, b"\0"))

    def wait_for(self, more):
        target = self.count[0] + more
        wait_until(lambda: self.count[0] >= target)

    def program(self):
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return next(int(pid) for pid in children if pathlib.Path(f"/proc/{pid}/comm").read_text() != "memray-guard\n")

    def kill_program(self):
        os.kill(self.program(), signal.SIGKILL)

    def check(self, data):
        """The bytes that a client got are a capture of everything. The program was killed: it may be one call ahead of its count."""
        allocations, live = self.count
        recorded, leaked = stats(self.memray, self.folder, captures(data)[-1])
        assert allocations <= recorded <= allocations + 1
        assert abs(live - leaked) < 20_000


class Idle(Served):
    """A program that makes 10,000 blocks of 1,000 bytes, frees all but every tenth, and waits."""

    def __init__(self, memray, programs, folder, *options, **served):
        self.memray, self.folder = memray, folder
        super().__init__(memray, ["--", programs / "ends", "wait"], *options, **served)

    program = Counted.program

    def kill_program(self):
        while not self.process.stdout.readline().startswith("{"):  # what it has done, said when all is done
            pass
        os.kill(self.program(), signal.SIGKILL)

    def check(self, data):
        assert stats(self.memray, self.folder, captures(data)[-1]) == (10_000, 1_000_000)


def test_clients_who_come_early_and_late(memray, programs, tmp_path):
    with Counted(memray, programs, tmp_path, "--live-remote", sink=None) as served:
        early = served.client()
        assert early.welcome
        readers = [threading.Thread(target=early.read_to_end)]
        readers[0].start()
        wait_until(served.file.exists)
        served.wait_for(200_000)
        late = Client(served.address, served.token)
        assert late.welcome
        readers.append(threading.Thread(target=late.read_to_end))
        readers[1].start()
        served.wait_for(200_000)
        served.kill_program()
        for reader in readers:
            reader.join()
        code, _, err = served.end()
    assert (code, err) == (-signal.SIGKILL, "")
    for client in (early, late):
        assert len(captures(client.data)) == 1
        served.check(client.data)
    assert b"".join(part for _, part in blocks(early.data)) == early.data


# Every function has a name of its own that cannot be compressed: the stream is large, and nobody has to work for it.
LONG_NAMES = """
import os, sys, time

def make():
    name, space = "f" + os.urandom(3000).hex(), {}
    exec(f"def {name}(): return bytearray(1000)", space)
    return space[name]()

kept = [make() for _ in range(9000)]
print("{}", flush=True)
time.sleep(1000)
"""


def test_a_slow_client_skips_to_a_fresh_state(memray, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(LONG_NAMES)
    with Served(memray, [script]) as served:
        slow, quick = served.client(), served.client()
        readers = [threading.Thread(target=client.read_to_end) for client in (quick, slow)]
        readers[0].start()
        assert served.process.stdout.readline() == "{}\n"  # the program was not held up by who does not read
        readers[1].start()
        wait_until(lambda: slow.data.count(SIGNATURE) > 1)
        os.kill(Counted.program(served), signal.SIGKILL)
        for reader in readers:
            reader.join()
        served.end()
    assert len(captures(quick.data)) == 1 and len(captures(slow.data)) == 2
    for client in (quick, slow):
        path = tmp_path / "received.bin"
        path.write_bytes(captures(client.data)[-1])
        leaks = json.loads(Recording(str(memray), path, None).report("summary", "--json", "--leaks"))
        made = [row for row in leaks["locations"] if re.fullmatch("f[0-9a-f]{6000}", row["function"])]
        assert len(made) == 9000 and all(row["total_bytes"] == 1001 for row in made)


def test_clients_that_die_are_forgotten(memray, programs, tmp_path):
    with Idle(memray, programs, tmp_path) as served:
        for _ in range(40):  # more than may be there at a time
            client = served.client()
            assert client.welcome
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.read(100)
            client.close()
            wait_until(lambda: connections(served.process.pid) <= 3)
        client = served.client()
        reader = threading.Thread(target=client.read_to_end)
        reader.start()
        served.kill_program()
        reader.join()
        served.end()
    served.check(client.data)


def connections(pid):
    """How many sockets a process has open: two that listen, and its clients."""
    links = [os.readlink(link) for link in pathlib.Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()]
    return sum(link.startswith("socket:") for link in links)


def send_all(address, data, times=1):
    """Sends until it is cut off; what was sent is not looked at. Returns what was answered."""
    connection = socket.create_connection(address, timeout=60)
    with contextlib.suppress(OSError):
        for _ in range(times):
            connection.sendall(data)
    with contextlib.suppress(OSError):
        return connection.recv(1 << 16)
    return b""


def answer(code):
    return b"MRAYLIVE" + struct.pack("<HH4x", 1, code)


def test_strangers_are_refused_and_change_nothing(memray, programs, tmp_path):
    with Idle(memray, programs, tmp_path) as served:
        watcher = served.client()
        reader = threading.Thread(target=watcher.read_to_end)
        reader.start()
        half_open = [socket.create_connection(served.address) for _ in range(40)]
        for _ in range(20):  # a port scanner
            socket.create_connection(served.address).close()
        for token in ("", "x", "0" * 32, served.token[:-1], served.token.upper() + "x"):
            assert send_all(served.address, request(token[-32:])) == answer(2)
        for version in (0, 2, 65535):
            assert send_all(served.address, request(served.token, version)) == answer(1)
        assert send_all(served.address, b"GET / HTTP/1.1\r\n\r\n") == b""
        assert send_all(served.address, os.urandom(1 << 20), times=1024) == b""  # a gigabyte of garbage
        assert send_all(served.address, b"MRAYLIVE" + os.urandom(1 << 20), times=16) in (b"", answer(1))
        connection = socket.create_connection(served.address)
        for byte in request(served.token):  # a slow, but honest one
            connection.sendall(bytes([byte]))
        assert receive(connection, 16) == watcher.answer
        connection.close()
        assert memory(served.process.pid) < 300 << 20
        served.kill_program()
        reader.join()
        _, _, err = served.end()
        for connection in half_open:
            connection.close()
    served.check(watcher.data)
    reasons = [line.split(": ", 2)[2] for line in err.splitlines() if "refused a connection from" in line]
    assert len(set(reasons)) == len(reasons)
    for reason in ("it is no client of memray", "it has no token", "its token is not", "version 2 of the protocol", "left without"):
        assert any(reason in line for line in reasons), err
    assert len(err.splitlines()) <= 12
    assert "more connections were refused" in err.splitlines()[-1]


def memory(pid):
    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_no_more_clients_than_there_is_room_for(memray, programs, tmp_path):
    with Idle(memray, programs, tmp_path) as served:
        clients = [served.client() for _ in range(17)]
        assert [client.welcome for client in clients] == [True] * 16 + [False]
        assert clients[-1].answer == answer(3)


def test_a_unix_socket_is_its_owners_and_does_not_stay(memray, programs, tmp_path):
    path = tmp_path / "socket"
    for round in range(3):
        with Idle(memray, programs, tmp_path, sink=f"socket:unix:{path}") as served:
            assert served.address == str(path)
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            client = served.client()
            assert client.welcome
            if round == 0:
                reader = threading.Thread(target=client.read_to_end)
                reader.start()
                served.kill_program()
                reader.join()
                served.end()
                assert not path.exists()
                served.check(client.data)
            else:
                program = served.program()
                served.process.kill()  # the collector: the program goes on
                wait_until(lambda: not path.exists())
                os.kill(program, signal.SIGKILL)
                client.read_to_end()


def test_a_socket_file_that_is_left_over(memray, programs, tmp_path):
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(path))
    with Idle(memray, programs, tmp_path, sink=f"socket:unix:{path}") as served:
        assert served.client().welcome
        second = run([memray, "run", f"--sink=socket:unix:{path}", "--", programs / "deep"])
        assert second.returncode == 1 and "Address already in use" in second.stderr
        assert path.exists()
        served.kill_program()
        served.end()
    path.write_text("not a socket")
    done = run([memray, "run", f"--sink=socket:unix:{path}", "--", programs / "deep"])
    assert done.returncode == 1 and path.read_text() == "not a socket"


@pytest.mark.parametrize(
    "sink, code, says",
    [
        ("socket:{port}", 1, "cannot serve the recording on 127.0.0.1:{port}: Address already in use"),
        ("socket:192.0.2.1:4242", 1, "cannot serve the recording on 192.0.2.1:4242: Cannot assign requested address"),
        ("socket:example:4242", 1, "it has to be numeric"),
        ("socket:70000", 1, "Invalid port: 70000"),
        ("socket:no", 1, "'no' is no port"),
        ("socket:unix:", 1, "needs the path"),
        ("socket:unix:/nowhere/socket", 1, "No such file or directory"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_where_it_cannot_be_served(memray, programs, tmp_path, sink, code, says):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run([memray, "run", "--sink=" + sink.format(port=port), "--", programs / "ends", "touch", tmp_path / "made"])
    assert (done.returncode, done.stdout) == (code, "")
    assert says.format(port=port) in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_waiting_for_a_client_can_be_ended(memray, programs, tmp_path, how):
    with Counted(memray, programs, tmp_path, "--live-remote", sink=None) as served:
        assert send_all(("127.0.0.1", served.port), b"nonsense") == b""  # no client
        assert not served.file.exists()
        served.process.send_signal(how)
        code, out, err = served.end()
    assert code == (0 if how == signal.SIGINT else -how)
    assert not served.file.exists() and "Traceback" not in err
    with pytest.raises(ConnectionRefusedError):
        served.client()


def test_a_token_of_ones_own(memray, programs, tmp_path):
    token = "a-token-of-my-own"
    with Idle(memray, programs, tmp_path, env={"MEMRAY_LIVE_TOKEN": token}) as served:
        assert served.token == token
        assert Client(served.address, token).welcome
        assert not Client(served.address, token + "x").welcome
    done = run([memray, "run", "--sink=socket", "-c", "0"], env={**os.environ, "MEMRAY_LIVE_TOKEN": "short"})
    assert done.returncode == 1 and "MEMRAY_LIVE_TOKEN has to have" in done.stderr


def test_quiet(memray, programs, tmp_path):
    done = run([memray, "run", "-q", "--sink=socket", "--", programs / "pairs", "1"])
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

# --- memray live -o


def test_a_client_that_writes_a_file(memray, programs, tmp_path):
    path = tmp_path / "received.bin"
    with Counted(memray, programs, tmp_path, "--live-remote", sink=None) as served:
        client = subprocess.Popen(
            [memray, "live", "-o", path, str(served.port)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        wait_until(served.file.exists)
        served.wait_for(200_000)
        other = tmp_path / "other.bin"  # from elsewhere, and stopped early
        host, port = served.address
        early = subprocess.Popen(
            [memray, "live", "-o", other, f"{host}:{port}"], env={**os.environ, "MEMRAY_LIVE_TOKEN": served.token}
        )
        wait_until(lambda: other.exists() and other.stat().st_size > 100_000)
        early.send_signal(signal.SIGINT)
        assert early.wait(60) == 0
        served.kill_program()
        out, err = client.communicate(timeout=60)
        served.end()
    assert (client.returncode, err) == (0, "")
    served.check(path.read_bytes())
    assert run([memray, "stats", other]).returncode == 0


@pytest.mark.parametrize(
    "arguments, code, says",
    [
        (["-o", "out", "0"], 1, "Invalid port"),
        (["-o", "out", "65536"], 1, "Invalid port"),
        (["-o", "out", "words"], 2, "is no address"),
        (["-o", "out", "unix:"], 2, "needs the path"),
        (["-o", "taken", "4242"], 1, "there already"),
        (["-o", "no/out", "4242"], 1, "No such file"),
    ],
)
def test_what_memray_live_cannot_do(memray, tmp_path, arguments, code, says):
    (tmp_path / "taken").write_text("mine")
    done = run([memray, "live", *arguments], cwd=tmp_path)
    assert done.returncode == code and says in done.stderr
    assert (tmp_path / "taken").read_text() == "mine"


def test_memray_live_is_told_why(memray, programs, tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        client = subprocess.Popen(
            [memray, "live", "-f", "-o", tmp_path / "out", str(other.getsockname()[1])], stderr=subprocess.PIPE, text=True
        )
        connection, _ = other.accept()
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        _, err = client.communicate(timeout=60)
    assert client.returncode == 1 and "is not memray" in err
    with Idle(memray, programs, tmp_path) as served:
        # By TCP: 0.0.0.0 is this machine, too, but none of the names for which the Unix socket is tried.
        for token, says in (("x" * 32, "is not the one"), ("", "its token is needed")):
            done = run([memray, "live", "-f", "-o", tmp_path / "out", f"0.0.0.0:{served.port}#{token}"])
            assert done.returncode == 1 and says in done.stderr, done
