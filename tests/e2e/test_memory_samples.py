"""Memory samples, compared with what the kernel says of the process at the time."""
import pathlib
import re
import subprocess
import time

import pytest

from recording import Recording

SIZE = 64_000_000
PAGE = 4096


class Occupier:
    def __init__(self, memray, programs, folder, kind, *options):
        self.path = folder / f"{kind}.bin"
        command = [memray, "run", "-q", *options, "-o", self.path, "--", programs / "occupies", kind, str(SIZE)]
        self.run = subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.memray = memray
        self.pid = self.run.stdout.readline().strip()

    def go_on(self):
        self.run.stdin.write("\n")
        self.run.stdin.flush()

    def proc(self, name):
        return pathlib.Path("/proc", self.pid, name).read_text()

    def reads(self):
        """Of memray, up to now."""
        return int(re.search(r"syscr: (\d+)", pathlib.Path("/proc", str(self.run.pid), "io").read_text())[1])

    def kernel_says(self):
        mapped, resident, of_files = (int(word) * PAGE for word in self.proc("statm").split()[:3])
        pss = int(re.search(r"\nPss: *(\d+)", self.proc("smaps_rollup"))[1]) * 1024
        session = sum(int(b, 16) - int(a, 16) for a, b in re.findall(r"(?m)^(\w+)-(\w+) .*memfd:memray", self.proc("maps")))
        return {
            "rss": resident,
            "anonymous": resident - of_files,
            "mapped": mapped - session,
            "pss": pss,
            "mappings": self.proc("maps").count("\n"),
        }

    def samples(self):
        recording = Recording(str(self.memray), self.path, None)
        return [sample for kind, sample in recording.lines if kind == "MEMORY_SAMPLE"]


@pytest.fixture(scope="module")
def occupiers(memray, programs, tmp_path_factory):
    """Of each kind: (samples, kernel's figures before, and after it has what it wants)."""
    folder = tmp_path_factory.mktemp("memory")
    running = {kind: Occupier(memray, programs, folder, kind) for kind in ("touched", "untouched", "freed", "mapped")}
    before = {kind: one.kernel_says() for kind, one in running.items()}
    for one in running.values():
        one.go_on()
        one.run.stdout.readline()
    reads = {kind: one.reads() + 250 for kind, one in running.items()}  # one a sample, every 10 ms
    while any(one.reads() < reads[kind] for kind, one in running.items()):
        time.sleep(0.02)
    after = {kind: one.kernel_says() for kind, one in running.items()}
    for one in running.values():
        one.go_on()
        assert one.run.wait() == 0
    return {kind: (one.samples(), before[kind], after[kind]) for kind, one in running.items()}


@pytest.mark.parametrize("kind", ["touched", "untouched", "freed", "mapped"])
def test_samples_say_what_the_kernel_says(occupiers, kind):
    samples, _, after = occupiers[kind]
    last = samples[-1]
    close = pytest.approx
    assert last["rss"] + last["own"] == close(after["rss"], abs=1_000_000)
    assert last["anonymous"] == close(after["anonymous"], abs=1_000_000)
    assert last["pss"] == close(after["pss"], abs=3_000_000)
    assert after["mapped"] - 16_000_000 < last["mapped"] <= after["mapped"]
    assert last["mappings"] == after["mappings"]
    assert 0 < last["own"] < 16_000_000


def test_samples_tell_kinds_of_memory_apart(occupiers):
    def growth(kind, field):
        samples, before, _ = occupiers[kind]
        return samples[-1][field] - before[field]

    def close(size):
        return pytest.approx(size, abs=2_500_000)

    heap = {kind: samples[-1]["process_heap"] for kind, (samples, _, _) in occupiers.items()}
    assert heap["touched"] == close(SIZE) and growth("touched", "anonymous") == close(SIZE)
    assert heap["untouched"] == close(SIZE) and growth("untouched", "anonymous") == close(0)
    assert growth("untouched", "mapped") == pytest.approx(SIZE, abs=16_000_000)
    assert heap["freed"] == close(0) and growth("freed", "anonymous") == close(SIZE)
    assert heap["mapped"] == close(SIZE) and growth("mapped", "rss") == close(0)
    assert occupiers["mapped"][2]["mappings"] >= occupiers["mapped"][1]["mappings"] + 15


def test_heap_is_of_the_process_and_of_all(occupiers):
    for samples, _, _ in occupiers.values():
        assert all(sample["heap"] == sample["process_heap"] for sample in samples)
        assert [sample["time_ns"] for sample in samples] == sorted(sample["time_ns"] for sample in samples)
