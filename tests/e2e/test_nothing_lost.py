"""Nothing recorded is lost, whatever happens to the program, the collector, the disk or the capture.

The program `counts` keeps its own count in a file that is mapped, so the count survives whatever ends it. It is made after the
allocation, so a program that is killed in between may have made one more."""
import contextlib
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import struct
import subprocess
import time

import pytest

from recording import Recording, run

AGGREGATE = [pytest.param([], id="events"), pytest.param(["--aggregate"], id="aggregated")]


class Counted:
    """`counts` under memray, and what it counted itself."""

    def __init__(self, memray, programs, folder, how, *options, count=100000, path=None, first="", **popen):
        self.memray, self.folder = memray, folder
        self.path = path or folder / "capture.bin"
        self.file = folder / "count"
        program = [programs / "counts", self.file, how, count]
        if first:  # done by a shell that becomes the program
            program = ["/bin/sh", "-c", f'{first}; exec "$0" "$@"', *program]
        command = [memray, "run", *options, "-o", self.path, "--", *program]
        popen.setdefault("stdout", subprocess.PIPE)
        popen.setdefault("stderr", subprocess.PIPE)
        self.process = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, text=True, **popen)

    def end(self):
        self.out, self.err = self.process.communicate(timeout=120)
        return self.process.returncode

    @property
    def count(self):
        with contextlib.suppress(OSError):
            data = self.file.read_bytes()
            if len(data) == 16:
                return struct.unpack("<2Q", data)
        return 0, 0

    def wait_for(self, more):
        """Until the program has done so much more."""
        target = self.count[0] + more
        while self.count[0] < target:
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.001)

    def recorded(self):
        """Allocations in the capture, which may be in the making; nobody else calls malloc in this program."""
        recording = Recording(str(self.memray), self.path, None)
        return recording.stats["allocator_type_distribution"].get("MALLOC", 0)

    def wait_until_saved(self, count):
        """Until so much can be read from the file. Everything is written every second or so."""
        for _ in range(3000):
            with contextlib.suppress(AssertionError, FileNotFoundError):
                if self.recorded() >= count:
                    return
            time.sleep(0.02)
        raise AssertionError(f"{count} allocations are not saved, but {self.recorded()}")

    def pid(self):
        """Of the program."""
        return int(pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()[0])

    def report(self):
        """What leaked, and what was said on standard error."""
        done = run([self.memray, "summary", "--json", "--leaks", self.path])
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), done.stderr

    def check(self, saved=None, killed=False):
        """Everything that was counted, or at least what was `saved`, is in the capture, and nothing more. A program that was
        killed may be one call ahead of its count."""
        counted, live = self.count
        recorded = self.recorded()
        leaked = self.report()[0]["total_bytes"]
        if saved is not None:
            assert saved <= recorded <= counted + 1
        elif killed:
            assert counted <= recorded <= counted + 1
            assert abs(live - leaked) < 20_000
        else:
            assert (recorded, leaked) == (counted, live + 16)  # its one mapping is the count
        return recorded


# --- the program ends


@pytest.mark.parametrize("options", AGGREGATE)
@pytest.mark.parametrize(
    "how, code, ending",
    [("exit", 3, "exited with status 3"), ("_exit", 4, "exited with status 4"), ("abort", -6, "SIGABRT"), ("kill", -9, "SIGKILL"), ("segv", -11, "SIGSEGV")],
)
def test_the_program_ends(memray, programs, tmp_path, how, code, ending, options):
    program = Counted(memray, programs, tmp_path, how, *options)
    assert program.end() == code
    program.check()
    assert ending in program.report()[0]["ending"]
    if code < 0:
        assert ending in program.out and ending in program.report()[1]


@pytest.mark.parametrize("how", ["forever", "same"])
@pytest.mark.parametrize("options", AGGREGATE)
def test_the_program_is_killed_at_any_moment(memray, programs, tmp_path, how, options):
    program = Counted(memray, programs, tmp_path, how, *options)
    program.wait_for(50000)
    os.kill(program.pid(), signal.SIGKILL)
    assert program.end() == -signal.SIGKILL
    program.check(killed=True)


@pytest.mark.parametrize("options", AGGREGATE)
def test_the_program_becomes_another(memray, programs, tmp_path, options):
    program = Counted(memray, programs, tmp_path, f"exec={programs / 'execs'}", *options)
    assert program.end() == 0
    truth = json.loads([line for line in program.out.splitlines() if line.startswith("{")][-1])
    recording = Recording(str(memray), program.path, None)
    images = 2  # of execs: it executes itself once
    assert recording.stats["allocator_type_distribution"]["MALLOC"] == program.count[0] + images * truth["allocations"]
    assert program.report()[0]["total_bytes"] == truth["leaked"]


@pytest.mark.parametrize("options", AGGREGATE)
def test_the_program_becomes_one_that_cannot_be_recorded(memray, programs, tmp_path, options):
    program = Counted(memray, programs, tmp_path, f"exec={programs / 'static'}", *options)
    assert program.end() == 0
    recording = Recording(str(memray), program.path, None)
    assert recording.stats["allocator_type_distribution"]["MALLOC"] == program.count[0]
    assert "cannot be recorded" in program.report()[1]


# --- memory runs out


@pytest.fixture
def memory_cgroup():
    base = pathlib.Path("/sys/fs/cgroup/memory")
    name = f"memray-test-{os.getpid()}"
    for folder, limit in ((base / name, "memory.limit_in_bytes"), (pathlib.Path("/sys/fs/cgroup") / name, "memory.max")):
        with contextlib.suppress(OSError):
            folder.mkdir()
            (folder / limit).write_text(str(40_000_000))
            yield folder
            folder.rmdir()
            return
    pytest.skip("no memory cgroup can be made here")


@pytest.mark.parametrize("options", AGGREGATE)
def test_the_kernel_kills_it_for_want_of_memory(memray, programs, tmp_path, memory_cgroup, options):
    """Only the program is in the group: memray's own memory is not what is short."""
    program = Counted(memray, programs, tmp_path, "hoard", *options, first=f"echo $$ > {memory_cgroup}/cgroup.procs")
    assert program.end() == -signal.SIGKILL and "SIGKILL" in program.out
    counted, live = program.count
    report, said = program.report()
    assert "SIGKILL" in said
    assert live <= report["total_bytes"] <= live + 200_000
    assert counted > 100


@pytest.mark.parametrize("options", AGGREGATE)
def test_the_program_may_have_no_more_memory(memray, programs, tmp_path, options):
    """A failed malloc is not recorded, and the program does what it does about it."""
    program = Counted(memray, programs, tmp_path, "hoard", *options, first="ulimit -d 60000")
    assert program.end() == 7, program.err
    assert "no memory\n" in program.out
    counted, live = program.count
    assert live <= program.report()[0]["total_bytes"] <= live + 100_000  # the failed one is not there


# --- memray ends


@pytest.mark.parametrize("options", AGGREGATE)
def test_the_collector_is_killed(memray, programs, tmp_path, options):
    program = Counted(memray, programs, tmp_path, "forever", *options)
    program.wait_for(20000)
    saved = program.count[0]
    program.wait_until_saved(saved)
    pid = program.pid()
    program.process.kill()
    program.process.wait()
    before = program.count[0]
    while program.count[0] < before + 100000:  # it goes on
        time.sleep(0.001)
    os.kill(pid, signal.SIGKILL)
    program.end()
    program.check(saved)
    assert "cut short" in program.report()[1]


@pytest.mark.parametrize("options", AGGREGATE)
def test_both_are_killed(memray, programs, tmp_path, options):
    program = Counted(memray, programs, tmp_path, "forever", *options, start_new_session=True)
    program.wait_for(20000)
    saved = program.count[0]
    program.wait_until_saved(saved)
    os.killpg(program.process.pid, signal.SIGKILL)
    program.end()
    program.check(saved)
    assert "cut short" in program.report()[1]


# --- the file goes wrong


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    if run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", folder]).returncode != 0:
        pytest.skip("a small file system cannot be mounted here")
    yield folder
    run(["umount", "-l", folder])


def test_the_disk_fills_up(memray, programs, tmp_path, small_disk):
    program = Counted(memray, programs, tmp_path, "exit", path=small_disk / "capture.bin", count=2_000_000)
    assert program.end() == 3
    assert "Successfully" not in program.out
    said = f"could not write to {program.path}: No space left on device"
    lines = [line for line in program.err.splitlines() if "nothing is lost" not in line]  # it may have had to wait
    assert lines == [f"memray: {said}; the program goes on, the recording ends here", f"the recording ended early: {said}"]
    report, warning = program.report()
    assert "cut short" in warning and "damaged" not in warning
    assert program.check(saved=10000) < 2_000_000


def test_memory_runs_out(memray, tmp_path):
    """That of the collector, which is told no sooner than it runs."""
    script = tmp_path / "script.py"
    script.write_text("print(flush=True)\ninput()\nkeep = [object() for _ in range(1_000_000)]\nprint(len(keep))\n")
    command = [memray, "run", "--python", "/usr/bin/python3", "-o", tmp_path / "capture.bin", script]
    process = subprocess.Popen(
        [str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONMALLOC": "malloc"})  # fmt: skip
    while process.stdout.readline() != "\n":  # after what memray run says first
        pass
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    size = int(status.partition("VmSize:")[2].split()[0]) << 10
    resource.prlimit(process.pid, resource.RLIMIT_AS, (size + (20 << 20), resource.RLIM_INFINITY))
    out, err = process.communicate("\n", timeout=120)
    assert (out.splitlines()[0], process.returncode) == ("1000000", 0)
    said = re.search(r"no memory left to tell the program's (\d+) live blocks", err)
    lines = [line for line in err.splitlines() if "nothing is lost" not in line]
    assert lines == [f"memray: {said[0]}; the program goes on, the recording ends here", f"the recording ended early: {said[0]}"]
    stats = run([memray, "stats", tmp_path / "capture.bin"])
    assert stats.returncode == 0 and "cut short" in stats.stderr and "damaged" not in stats.stderr
    assert 100_000 < int(said[1]) < 1_000_000


def test_totals_wait_for_space_on_a_full_disk(memray, programs, tmp_path, small_disk):
    filler = small_disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb") as file:
        while True:
            file.write(bytes(4096))
            file.flush()
    program = Counted(memray, programs, tmp_path, "forever", "--aggregate", path=small_disk / "capture.bin")
    program.wait_for(20000)
    filler.unlink()
    program.wait_for(20000)
    os.kill(program.pid(), signal.SIGKILL)
    assert program.end() == -signal.SIGKILL
    program.check(killed=True)


@pytest.mark.parametrize("options", AGGREGATE)
def test_the_capture_is_deleted(memray, programs, tmp_path, options):
    program = Counted(memray, programs, tmp_path, "forever", *options)
    program.wait_for(20000)
    program.wait_until_saved(1)
    program.path.unlink()
    program.wait_for(20000)
    os.kill(program.pid(), signal.SIGKILL)
    assert program.end() == -signal.SIGKILL
    program.check(killed=True)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("capture.bin")) == ["capture.bin"]


def test_the_folder_of_the_capture_is_deleted(memray, programs, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    program = Counted(memray, programs, tmp_path, "forever", path=folder / "capture.bin")
    program.wait_for(20000)
    shutil.rmtree(folder)
    os.kill(program.pid(), signal.SIGKILL)
    assert program.end() == -signal.SIGKILL
    assert "Successfully" not in program.out
    assert "was removed while recording" in program.err


def test_another_file_takes_the_place_of_the_capture(memray, programs, tmp_path):
    program = Counted(memray, programs, tmp_path, "forever")
    program.wait_for(20000)
    program.path.unlink()
    program.path.write_text("mine")
    os.kill(program.pid(), signal.SIGKILL)
    assert program.end() == -signal.SIGKILL
    assert program.path.read_text() == "mine"
    assert "was removed while recording" in program.err and "Successfully" not in program.out


# --- time, streams, signals


@pytest.mark.parametrize("who", ["program", "both"])
def test_stopped_and_continued(memray, programs, tmp_path, who):
    program = Counted(memray, programs, tmp_path, "exit", count=300000, start_new_session=True)
    program.wait_for(1000)
    for _ in range(5):
        if who == "both":
            os.killpg(program.process.pid, signal.SIGSTOP)
        else:
            os.kill(program.pid(), signal.SIGSTOP)
        time.sleep(0.02)
        os.killpg(program.process.pid, signal.SIGCONT)
    assert program.end() == 3
    program.check()


def environment(memray, fault):
    shim = pathlib.Path(memray).resolve().parents[1] / "tests" / "programs" / "faults.so"
    return {**os.environ, "LD_PRELOAD": str(shim), "MEMRAY_FAULT": fault}


def test_the_clock_of_the_wall_goes_backwards(memray, programs, tmp_path):
    program = Counted(memray, programs, tmp_path, "exit", env=environment(memray, "realtime:backwards"))
    assert program.end() == 3
    program.check()
    recording = Recording(str(memray), program.path, None)
    times = [event["time_ns"] for kind, event in recording.events]
    assert times == sorted(times) and 0 <= times[0] <= times[-1] < 600e9


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)], ids=str)
def test_standard_streams_are_closed(memray, programs, tmp_path, closed):
    """Files that memray opens take their numbers, and must not be written to by mistake; to the program they are closed."""
    script = tmp_path / "look.py"
    script.write_text(
        "import os\nkept = bytearray(1_000_000)\nfound = []\nfor fd in range(3):\n"
        "    try: os.fstat(fd); found.append(fd)\n    except OSError: pass\n"
        f"open({str(tmp_path / 'found')!r}, 'w').write(repr(found))\n"
    )
    command = [str(c) for c in (memray, "run", "--python", "/usr/bin/python3", "-o", tmp_path / "capture.bin", script)]

    def close():
        for fd in closed:
            os.close(fd)

    plain = subprocess.Popen(["/usr/bin/python3", str(script)], preexec_fn=close, stdin=subprocess.DEVNULL)
    assert plain.wait() == 0
    expected = (tmp_path / "found").read_text()
    recorded = subprocess.Popen(command, preexec_fn=close, stdin=subprocess.DEVNULL)
    assert recorded.wait() == 0
    assert (tmp_path / "found").read_text() == expected
    done = run([memray, "summary", "--json", tmp_path / "capture.bin"])
    assert done.stderr == "" and json.loads(done.stdout)["total_bytes"] > 1_000_000


def test_nobody_reads_what_memray_prints(memray, programs, tmp_path):
    """A full device, and a pipe whose reader has gone: the exit code is still the program's."""
    for stream in ("full", "pipe"):
        if stream == "full":
            target = open("/dev/full", "w")
        else:
            reader, writer = os.pipe()
            os.close(reader)
            target = os.fdopen(writer, "w")
        with target:
            program = Counted(memray, programs, tmp_path, "exit", "-f", count=1000, stdout=target, stderr=target)
            assert program.end() == 3
        program.check()


def test_the_caller_ignores_its_children(memray, programs, tmp_path):
    """With SIGCHLD ignored the kernel would not say how the program ended. The program inherits the disposition."""
    program = Counted(
        memray, programs, tmp_path, "exit", count=1000, preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    )
    assert program.end() == 3
    program.check()
    look = "import signal; print(signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN)"
    done = run(
        [memray, "run", "-q", "-o", tmp_path / "b.bin", "-c", look], preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    )
    assert done.stdout == "True\n"


# --- the program is faster


def test_a_program_that_is_faster_waits(memray, programs, tmp_path):
    program = Counted(memray, programs, tmp_path, "exit", count=700_000)
    program.wait_for(1000)
    program.process.send_signal(signal.SIGSTOP)
    before, same = 0, 0
    while same < 300:  # it has come to a halt, for some seconds
        time.sleep(0.01)
        before, same = program.count[0], same + 1 if program.count[0] == before else 0
    program.process.send_signal(signal.SIGCONT)
    assert program.end() == 3
    assert program.err.count("nothing is lost") == 1
    program.check()


def test_a_program_that_is_faster_need_not_wait_and_every_report_says_so(memray, programs, tmp_path):
    count = 1_000_000
    program = Counted(memray, programs, tmp_path, "exit", "--on-overrun=drop", count=count)
    program.wait_for(1000)
    pid = program.pid()
    program.process.send_signal(signal.SIGSTOP)
    while pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z":  # it has ended meanwhile
        time.sleep(0.01)
    program.process.send_signal(signal.SIGCONT)
    assert program.end() == 3
    assert program.count[0] == count

    recording = Recording(str(memray), program.path, None)
    dropped = recording.stats["metadata"]["dropped_events"]
    truth = count + count - 1000  # all slots but the last 1000 blocks were freed
    assert dropped > 0 and truth <= recording.trailer["events"] + dropped <= truth + 10
    assert recording.trailer["dropped_events"] == dropped
    assert recording.summary()["dropped_events"] == dropped
    says = f"{dropped} events were dropped while recording"
    for command in (["summary"], ["stats"], ["flamegraph", "-f", "-o", tmp_path / "graph.html"]):
        done = run([memray, *command, program.path])
        assert done.returncode == 0 and says in done.stderr
        assert says in ((tmp_path / "graph.html").read_text() if command[0] == "flamegraph" else done.stdout)


# --- system calls of the collector fail

ENOSPC, EIO, ENOMEM, EMFILE, EAGAIN, EINVAL, EACCES = 28, 5, 12, 24, 11, 22, 13


@pytest.mark.parametrize("options", AGGREGATE)
@pytest.mark.parametrize(
    "fault, says",
    [
        (f"memfd_create:{EMFILE}", "cannot start recording: memfd_create: Too many open files"),
        (f"ftruncate:{ENOMEM}:1:1", "cannot start recording: ftruncate: Cannot allocate memory"),
        (f"mmap:{ENOMEM}:1:1", "cannot start recording: mmap: Cannot allocate memory"),
        (f"pipe2:{EMFILE}", "cannot start recording: pipe: Too many open files"),
        (f"fork:{EAGAIN}", "cannot start a process: Resource temporarily unavailable"),
        (f"create:{EACCES}", "could not create output file PATH: Permission denied"),
    ],
    ids=lambda value: value.split(":")[0],
)
def test_a_recording_that_cannot_start(memray, programs, tmp_path, fault, says, options):
    program = Counted(memray, programs, tmp_path, "exit", *options, env=environment(memray, fault))
    assert program.end() == 1
    assert (program.out, program.err) == ("", says.replace("PATH", str(program.path)) + "\n")
    assert [path.name for path in tmp_path.iterdir()] == []  # the program was not started either


@pytest.mark.parametrize("fault, reason", [(f"mkostemp:{EACCES}", "Permission denied"), (f"fork:{EAGAIN}", None)])
def test_an_earlier_capture_survives_a_recording_that_cannot_start(memray, programs, tmp_path, fault, reason):
    (tmp_path / "capture.bin").write_text("earlier")
    program = Counted(memray, programs, tmp_path, "exit", "-f", env=environment(memray, fault))
    assert program.end() == 1
    assert len(program.err.splitlines()) == 1 and (reason or "") in program.err
    assert [path.name for path in tmp_path.iterdir()] == ["capture.bin"]
    assert (tmp_path / "capture.bin").read_text() == "earlier"


@pytest.mark.parametrize("options", AGGREGATE)
def test_the_capture_cannot_take_its_place(memray, programs, tmp_path, options):
    (tmp_path / "capture.bin").write_text("earlier")
    program = Counted(memray, programs, tmp_path, "exit", "-f", *options, env=environment(memray, f"rename:{EIO}"))
    assert program.end() == 3
    lines = program.err.splitlines()
    assert lines[-1] == f"the recording ended early: could not create output file {program.path}: Input/output error"
    assert "Successfully" not in program.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["capture.bin", "count"]
    assert program.path.read_text() == "earlier"


@pytest.mark.parametrize("at, error", [(1, ENOSPC), (2, EIO), (3, ENOSPC), (6, EIO)])
def test_a_write_fails(memray, programs, tmp_path, at, error):
    """What was written before stays readable."""
    program = Counted(memray, programs, tmp_path, "exit", count=800_000, env=environment(memray, f"write:{error}:{at}"))
    assert program.end() == 3
    assert program.err.splitlines()[-1].startswith(f"the recording ended early: could not write to {program.path}: ")
    assert "Successfully" not in program.out
    done = run([memray, "summary", program.path])
    if at == 1:
        assert done.returncode == 1 and "is empty" in done.stderr
    else:
        assert done.returncode == 0 and "cut short" in done.stderr and "damaged" not in done.stderr
        program.check(saved=0)


@pytest.mark.parametrize("options", AGGREGATE)
@pytest.mark.parametrize("fault", ["write:short", "write:interrupted", f"open_proc:{EACCES}", f"pread:{EIO}"])
def test_what_only_hinders(memray, programs, tmp_path, fault, options):
    program = Counted(memray, programs, tmp_path, "exit", *options, env=environment(memray, fault))
    assert program.end() == 3
    assert program.err == ""
    program.check()
    assert program.report()[1] == ""
