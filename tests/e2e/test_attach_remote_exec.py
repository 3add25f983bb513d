"""memray attach --method=remote_exec: CPython 3.14 and later, asked to run a script. scripts/test-distros.sh has such interpreters."""
import ctypes
import glob
import os
import signal
import subprocess
import sys
import time

import pytest

import attaching
import recording

SIZE = sys.getsizeof(bytes(70_000))  # that nobody else asks for
INTERPRETERS = {version: python for version, python in recording.interpreters().items() if tuple(map(int, version.split(".")[:2])) >= (3, 14)}

# Runs Python code all the time, makes blocks when it is told to, and counts signals.
PROGRAM = """
import os, select, signal
seen = 0
def handler(*_):
    global seen
    seen += 1
signal.signal(signal.SIGUSR1, handler)
def make_counted(count): return [bytes(70_000) for _ in range(count)]
print("ready", flush=True)
kept, words = [], b""
while words != b"abc":
    if select.select([0], [], [], 0.001)[0]: words += os.read(0, 1)
    if words.endswith(b"\\n"):
        kept += make_counted(int(words))
        print(len(kept) or seen, flush=True)
        words = b""
print("right")
"""


@pytest.fixture(params=INTERPRETERS or [pytest.param(None, marks=pytest.mark.skip(reason="there is no CPython 3.14 or later"))])
def program(request):
    with attaching.Program([INTERPRETERS[request.param], "-c", PROGRAM], ends_by_input=True) as program:
        yield program


def mapped(pid):
    with open(f"/proc/{pid}/maps") as maps:
        return any("memfd:memray " in line for line in maps)


def folders(root="/"):
    return [path for where in ("tmp", "var/tmp", "dev/shm") for path in glob.glob(f"{root}{where}/memray-attach-*")]


def wait_until(true):
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


def counted(memray, path):
    """How many blocks the capture has that make_counted() has made."""
    read = recording.Recording(str(memray), path, None)
    made = [event for kind, event in read.events if kind == "ALLOCATION" and event["size"] == SIZE]
    assert all(read.stacks[event["stack"]][0][0] == "make_counted" for event in made)
    return len(made)


def test_again_and_again(memray, program, tmp_path):
    """The second time everything is loaded already; the script leaves nothing behind."""
    for cycle, output in enumerate((tmp_path / "c.bin", tmp_path / "d.bin", tmp_path / "e.bin")):
        attaching.run(memray, "attach", program.pid, "--method=remote_exec", "-o", output, *(["--trace-python-allocators"] if cycle == 1 else []))
        assert mapped(program.pid) and program.tell("50") == f"{50 * cycle + 50}\n"
        attaching.run(memray, "detach", program.pid, "--method=remote_exec")
        assert not mapped(program.pid) and counted(memray, output) == 50
        descriptors = sorted(os.listdir(f"/proc/{program.pid}/fd"))
        assert cycle == 0 or descriptors == before
        before = descriptors
        assert len(os.listdir(f"/proc/{program.pid}/task")) == 1
    assert program.end() == attaching.RIGHT and not folders()


def test_signals_at_all_moments_are_not_lost(memray, program, tmp_path):
    """A word of the interpreter's that says that there is one is written to from outside."""
    sent = 0
    for cycle in range(4):
        attaching_now = subprocess.Popen([memray, "attach", "-q", "-f", "--method=remote_exec", "-o", tmp_path / "c.bin", str(program.pid)])
        while attaching_now.poll() is None:
            program.process.send_signal(signal.SIGUSR1)
            sent += 1
            wait_until(lambda: program.tell("0") == f"{sent}\n")
        assert attaching_now.returncode == 0 and sent > cycle
        attaching.run(memray, "detach", program.pid, "--method=remote_exec")
    assert program.end() == attaching.RIGHT


@pytest.mark.parametrize("version", INTERPRETERS)
def test_one_that_runs_no_python_code_is_waited_for_until_interrupted(memray, tmp_path, version):
    """And then it does nothing when it gets to it."""
    with attaching.Program([INTERPRETERS[version], "-c", attaching.BLOCKED_IN_READ], ends_by_input=True) as program:
        waiting = subprocess.Popen([memray, "attach", "--method=remote_exec", "-o", tmp_path / "c.bin", str(program.pid)], stderr=subprocess.PIPE)
        wait_until(folders)
        waiting.send_signal(signal.SIGINT)
        assert waiting.communicate(timeout=60) == (None, b"") and waiting.returncode == -signal.SIGINT
        assert not folders()
        assert program.end() == attaching.RIGHT
    assert not (tmp_path / "c.bin").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("version", INTERPRETERS)
def test_a_process_of_another_user(memray, tmp_path, version):
    def drop_privileges():
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)

    with attaching.Program([INTERPRETERS[version], "-c", PROGRAM], ends_by_input=True, preexec_fn=drop_privileges, cwd="/") as program:
        attaching.run(memray, "attach", program.pid, "--method=remote_exec", "-o", tmp_path / "c.bin")
        program.tell("50")
        attaching.run(memray, "detach", program.pid, "--method=remote_exec")
        assert program.end() == attaching.RIGHT
    assert counted(memray, tmp_path / "c.bin") == 50


def test_auto_takes_it_where_another_traces(memray, program, tmp_path):
    seize, detach = 0x4206, 17
    ptrace = ctypes.CDLL(None, use_errno=True).ptrace
    ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
    if ptrace(seize, program.pid, None, None) != 0:
        pytest.skip("tracing is not permitted here")
    done = recording.run([memray, "attach", program.pid, "--method=ptrace", "-o", tmp_path / "c.bin"])
    assert done.returncode == 1 and "is being traced by" in done.stderr
    attaching.run(memray, "attach", program.pid, "-o", tmp_path / "c.bin")
    program.tell("50")
    attaching.run(memray, "detach", program.pid)
    assert program.end() == attaching.RIGHT
    assert counted(memray, tmp_path / "c.bin") == 50


@pytest.mark.parametrize("version", INTERPRETERS)
@pytest.mark.parametrize("option, environment", [(["-X", "disable-remote-debug"], {}), ([], {"PYTHON_DISABLE_REMOTE_DEBUG": "1"})], ids=["option", "variable"])
def test_where_it_is_disabled(memray, tmp_path, version, option, environment):
    with attaching.Program([INTERPRETERS[version], *option, "-c", PROGRAM], ends_by_input=True, env={**os.environ, **environment}) as program:
        done = recording.run([memray, "attach", "--method=remote_exec", "-o", tmp_path / "c.bin", program.pid])
        assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
        assert f"process {program.pid} has remote debugging disabled" in done.stderr
        attaching.run(memray, "attach", program.pid, "-o", tmp_path / "c.bin")
        attaching.run(memray, "detach", program.pid)
        assert program.end() == attaching.RIGHT


def refused(memray, pid, output):
    done = recording.run([memray, "attach", "--method=remote_exec", "-o", output, pid])
    assert done.returncode == 1 and not output.exists() and not mapped(pid) and not folders()
    return done.stderr


def test_what_is_no_python(memray, programs, tmp_path):
    with attaching.Program([programs / "attached", "counted"], ends_by_input=True) as program:
        assert refused(memray, program.pid, tmp_path / "c.bin") == (
            f"process {program.pid} runs no CPython that can be asked to run a script; "
            "--method=remote_exec needs 3.14 or 3.15, --method=ptrace none\n"
        )
        assert program.end() == attaching.RIGHT


@pytest.mark.parametrize("version", [version for version in recording.interpreters() if version.startswith(("3.11.", "3.13."))])
def test_older_ones(memray, tmp_path, version):
    with attaching.Program([recording.interpreters()[version], "-c", attaching.BLOCKED_IN_READ], ends_by_input=True) as program:
        said = refused(memray, program.pid, tmp_path / "c.bin")
        assert said.endswith("--method=remote_exec needs 3.14 or 3.15, --method=ptrace none\n") and len(said.splitlines()) == 1
        assert "3.13" in said or version.startswith("3.11.")
        assert program.end() == attaching.RIGHT
