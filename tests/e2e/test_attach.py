"""memray attach and detach: programs that were started without memray, at work, idle, and in places where nothing may be loaded."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import pytest

import attaching
import recording

CYCLES = 3
NAMES = ["python loop", "python threads", "asyncio server", "blocked in read", "malloc in 8 threads", "dlopen loop", "forks", "sleeps", "jemalloc"]


def attach(memray, pid, *options):
    return recording.run([memray, "attach", *options, pid], timeout=100)


def detach(memray, pid):
    return recording.run([memray, "detach", pid], timeout=100)


def drop_privileges():
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)


def mapped(pid):
    with open(f"/proc/{pid}/maps") as maps:
        return any("memfd:memray " in line for line in maps)


def descriptors(pid):
    return sorted(os.listdir(f"/proc/{pid}/fd"))


def trailer(memray, path):
    return recording.fields(recording.run(["sh", "-c", '"$0" parse "$1" | tail -n 1', memray, path]).stdout)


def capture(memray, path):
    return recording.Recording(str(memray), path, None)


@pytest.mark.parametrize("name", NAMES)
def test_programs_are_attached_to_and_left_again_and_again(memray, programs, tmp_path, name):
    start = attaching.targets(programs).get(name)
    if not start:
        pytest.skip("not installed")
    with start() as program:
        before = descriptors(program.pid)
        for cycle in range(CYCLES):
            done = attach(memray, program.pid, "-f", "-o", tmp_path / "c.bin", *(["--native"] if cycle == 1 else []))
            assert done.returncode == 0, done.stderr
            assert mapped(program.pid)
            done = detach(memray, program.pid)
            assert done.returncode == 0, done.stderr
            assert not mapped(program.pid)
            if name not in ("dlopen loop", "forks"):  # which open and close some all the time
                assert descriptors(program.pid) == before
            assert trailer(memray, tmp_path / "c.bin")["dropped_events"] == 0
        assert program.end() == attaching.RIGHT


@pytest.mark.parametrize("version", sorted(recording.interpreters()))
def test_stacks_are_whole_from_the_first_allocation_on(memray, tmp_path, version):
    code = "import time\ndef inner():\n    return bytearray(123456)\ndef outer():\n    inner()\nprint('ready', flush=True)\nwhile True:\n    outer()\n    time.sleep(0.001)\n"
    with attaching.Program([recording.interpreters()[version], "-c", code]) as program:
        assert attach(memray, program.pid, "-o", tmp_path / "c.bin").returncode == 0
        time.sleep(0.1)
        assert detach(memray, program.pid).returncode == 0
    read = capture(memray, tmp_path / "c.bin")
    stacks = {read.stacks[event["stack"]] for kind, event in read.events if kind == "ALLOCATION" and event["size"] > 123456}
    assert {tuple(frame[0] for frame in stack) for stack in stacks} == {("inner", "outer", "<module>")}


def test_the_interpreter_is_described(memray, tmp_path):
    """By which reports tell installed packages from the program's own code."""
    python = sys.executable
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "more" / "site-packages")}
    ask = "import sys\nprint(':'.join(p for p in sys.path if p.endswith(('/site-packages', '/dist-packages'))), sys.prefix, sys._stdlib_dir)"
    folders, prefix, stdlib = recording.run([python, "-c", ask], env=environment).stdout.split()
    with attaching.Program([python, "-c", attaching.PYTHON_LOOP], env=environment) as program:
        assert attach(memray, program.pid, "-o", tmp_path / "c.bin").returncode == 0
        time.sleep(0.1)
        assert detach(memray, program.pid).returncode == 0
    header = recording.fields(recording.run(["sh", "-c", '"$0" parse "$1" | head -n 1', memray, tmp_path / "c.bin"]).stdout)
    assert (header["python_site_packages"], header["python_prefix"], header["python_stdlib"]) == (folders, prefix, stdlib)


def test_the_recording_ends_with_the_program(memray, tmp_path):
    code = "print('ready', flush=True)\ninput()\nblock = bytearray(5_000_000)\nimport os\nos._exit(3)\n"
    with attaching.Program([recording.interpreters()[max(recording.interpreters())], "-c", code], ends_by_input=True) as program:
        assert attach(memray, program.pid, "-o", tmp_path / "c.bin").returncode == 0
        program.process.communicate(b"\n", timeout=60)
    end = time.monotonic() + 60
    while "cut short" in recording.run([memray, "parse", tmp_path / "c.bin"]).stderr:
        assert time.monotonic() < end
        time.sleep(0.02)
    read = capture(memray, tmp_path / "c.bin")
    assert [event["size"] for kind, event in read.events if kind == "ALLOCATION" and event["size"] > 4_000_000] == [5_000_001]
    assert re.match("exited with status 3|ended, in a way", read.trailer["ending"])


def test_after_its_duration_it_is_over_and_delays_nothing(memray, programs, tmp_path):
    with attaching.targets(programs)["sleeps"]() as program:
        assert attach(memray, program.pid, "--duration", "1", "-o", tmp_path / "c.bin").returncode == 0
        end = time.monotonic() + 60
        while mapped(program.pid):
            assert time.monotonic() < end
            time.sleep(0.05)
        assert attach(memray, program.pid, "--duration", "1000", "-o", tmp_path / "d.bin").returncode == 0
        assert program.end() == attaching.RIGHT


def test_what_was_allocated_before_is_counted_apart(memray, tmp_path):
    code = "print('ready', flush=True)\nold = [bytes(10000) for _ in range(50)]\ninput()\ndel old\nprint('gone', flush=True)\ninput()\n"
    with attaching.Program([recording.interpreters()[max(recording.interpreters())], "-c", code]) as program:
        time.sleep(0.1)
        assert attach(memray, program.pid, "-o", tmp_path / "c.bin").returncode == 0
        program.process.stdin.write(b"\n")
        program.process.stdin.flush()
        assert program.process.stdout.readline() == b"gone\n"
        assert detach(memray, program.pid).returncode == 0
    assert capture(memray, tmp_path / "c.bin").trailer["unknown_deallocations"] >= 50


def test_followed_children_are_in_the_same_capture(memray, programs, tmp_path):
    with attaching.targets(programs)["forks"]() as program:
        assert attach(memray, program.pid, "--follow-fork", "-o", tmp_path / "c.bin").returncode == 0
        time.sleep(0.2)
        assert detach(memray, program.pid).returncode == 0
        assert program.end() == attaching.RIGHT
    read = capture(memray, tmp_path / "c.bin")
    assert sum(kind == "PROCESS" for kind, _ in read.lines) > 1
    assert any(kind == "ALLOCATION" and event["size"] == 100 for kind, event in read.events)


def test_a_second_attach_leaves_the_first_alone(memray, programs, tmp_path):
    with attaching.targets(programs)["malloc in 8 threads"]() as program:
        assert attach(memray, program.pid, "-o", tmp_path / "c.bin").returncode == 0
        done = attach(memray, program.pid, "-o", tmp_path / "d.bin")
        assert done.returncode == 1
        assert re.match(rf"process {program.pid} is already being recorded by memray", done.stderr)
        assert not (tmp_path / "d.bin").exists()
        assert mapped(program.pid)
        assert detach(memray, program.pid).returncode == 0
        assert program.end() == attaching.RIGHT


def test_an_attach_that_fails_leaves_nothing(memray, programs, tmp_path):
    with attaching.targets(programs)["malloc in 8 threads"]() as program:
        before = descriptors(program.pid)
        done = attach(memray, program.pid, "-o", tmp_path / "missing" / "c.bin")
        assert done.returncode == 1
        assert "could not create output file" in done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert descriptors(program.pid) == before
        assert not mapped(program.pid)
        assert program.end() == attaching.RIGHT


def test_a_program_in_another_mount_and_pid_namespace(memray, programs, tmp_path):
    """It has a file system in which there is no memray, and another number there."""
    root = tmp_path / "root"
    libraries = re.findall(r"(/\S+) \(", recording.run(["ldd", programs / "attached"]).stdout)
    for file in [str(programs / "attached"), *libraries]:
        (root / file[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, root / file[1:])
    (root / "proc").mkdir()
    inside = f"mount -t proc proc {root}/proc && exec chroot {root} {programs}/attached threads"
    unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    if recording.run([*unshare, "true"]).returncode != 0:
        pytest.skip("namespaces cannot be made here")
    with attaching.Program([*unshare, "sh", "-c", inside]) as program:
        child = int(recording.run(["pgrep", "-P", str(program.pid)]).stdout)
        done = attach(memray, child, "-o", tmp_path / "c.bin", "--native")
        assert done.returncode == 0, done.stderr
        time.sleep(0.05)
        assert detach(memray, child).returncode == 0
        os.kill(child, 15)
        assert program.process.communicate(timeout=60)[0] == b"right\n"
    threads = recording.run(["sh", "-c", '"$0" parse "$1" | grep "^THREAD "', memray, tmp_path / "c.bin"]).stdout.splitlines()
    assert len(threads) in (8, 9)  # the eight, and the one that was made to load the recorder


@pytest.fixture
def open_folder():
    """One that other users can enter: pytest's own are for the owner alone."""
    with tempfile.TemporaryDirectory(prefix="memray-test-") as name:
        os.chmod(name, 0o755)
        yield pathlib.Path(name)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_program_of_another_user_in_a_user_namespace_of_its_own(memray, programs, tmp_path, open_folder):
    """Where it is root, and its number is 1: as in a container without privileges."""
    shutil.copy(programs / "attached", open_folder / "attached")
    command = ["unshare", "--user", "--map-root-user", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc"]
    if recording.run([*command, "true"], preexec_fn=drop_privileges).returncode != 0:
        pytest.skip("namespaces cannot be made here")
    with attaching.Program([*command, open_folder / "attached", "threads"], preexec_fn=drop_privileges) as program:
        child = int(recording.run(["pgrep", "-P", str(program.pid)]).stdout)
        for _ in range(CYCLES):
            assert attach(memray, child, "-f", "-o", tmp_path / "c.bin").returncode == 0
            assert detach(memray, child).returncode == 0
        os.kill(child, signal.SIGTERM)
        assert program.process.communicate(timeout=60)[0] == b"right\n"


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="only root has something to give away")
def test_the_missing_capability_is_named(memray):
    with subprocess.Popen(["sleep", "100"], preexec_fn=drop_privileges) as sleeping:
        try:
            done = recording.run(["setpriv", "--bounding-set", "-sys_ptrace", memray, "attach", sleeping.pid])
        finally:
            sleeping.kill()
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert "CAP_SYS_PTRACE is missing (docker run --cap-add SYS_PTRACE;" in done.stderr


@pytest.mark.parametrize("debugger", ["strace"])
def test_who_is_traced_is_refused(memray, programs, tmp_path, debugger):
    if not shutil.which(debugger):
        pytest.skip(f"{debugger} is not installed")
    with attaching.targets(programs)["sleeps"]() as program:
        tracer = subprocess.Popen([debugger, "-o", "/dev/null", "-p", str(program.pid)], stderr=subprocess.DEVNULL)
        try:
            end = time.monotonic() + 60
            while f"TracerPid:\t{tracer.pid}" not in open(f"/proc/{program.pid}/status").read():
                assert time.monotonic() < end
                time.sleep(0.01)
            done = attach(memray, program.pid, "-o", tmp_path / "c.bin")
        finally:
            tracer.terminate()
            tracer.wait()
        assert done.returncode == 1
        assert re.fullmatch(rf"process {program.pid} is being traced by {debugger} \(process {tracer.pid}\), .*\n", done.stderr)


def test_refusals_say_what_is_missing(memray):
    done = attach(memray, 4_194_305)
    assert (done.returncode, done.stderr) == (1, "there is no process 4194305\n")
    done = detach(memray, os.getpid())
    assert (done.returncode, done.stderr) == (1, f"process {os.getpid()} is not being recorded\n")
    with subprocess.Popen(["sleep", "100"]) as sleeping:
        try:
            sleeping.send_signal(signal.SIGSTOP)
            os.waitpid(sleeping.pid, os.WUNTRACED)
            done = attach(memray, sleeping.pid)
            assert (done.returncode, done.stderr) == (1, f"process {sleeping.pid} is stopped; let it go on first (kill -CONT {sleeping.pid})\n")
        finally:
            sleeping.kill()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_the_process_of_another_user(memray):
    if recording.run([memray, "--version"], preexec_fn=drop_privileges).returncode != 0:
        pytest.skip("memray is not installed where others can run it")
    with subprocess.Popen(["sleep", "100"]) as sleeping:
        try:
            done = recording.run([memray, "attach", sleeping.pid], preexec_fn=drop_privileges)
        finally:
            sleeping.kill()
    assert (done.returncode, done.stderr) == (1, f"process {sleeping.pid} belongs to user 0; run memray as that user, or as root\n")


@pytest.mark.parametrize("rounds, options", [(15, []), (8, ["--live"])], ids=["file", "live"])
def test_whoever_is_killed_the_others_behave(build, rounds, options):
    """Command, collector, program and who watches, in many orders; tests/stress/kill.py does it as often as one likes."""
    script = pathlib.Path(__file__).parents[1] / "stress" / "kill.py"
    done = recording.run([sys.executable, script, "--rounds", rounds, "--seed", os.getpid(), "--build", build, *options])
    assert (done.returncode, done.stdout) == (0, f"{rounds} of {rounds} rounds right\n")
