"""memray run --sink=socket: whoever connects, and whenever, gets a capture of the whole recording."""
import json
import os
import pathlib
import signal
import struct
import threading

from live_client import Client, Served, blocks, captures, wait_until
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

    def kill_program(self):
        pid = int(pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)

    def check(self, data):
        """The bytes that a client got are a capture of everything. The program was killed: it may be one call ahead of its count."""
        allocations, live = self.count
        recorded, leaked = stats(self.memray, self.folder, captures(data)[-1])
        assert allocations <= recorded <= allocations + 1
        assert abs(live - leaked) < 20_000


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
