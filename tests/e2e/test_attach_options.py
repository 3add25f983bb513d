"""memray attach with each of its options, compared with what the program says that it has done."""
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

import attaching
import recording
from terminal import Terminal

SIZE = 70_001  # that nobody else asks for
COUNT = 1000


@pytest.fixture
def program(programs):
    with attaching.Program([programs / "attached", "counted"], ends_by_input=True) as program:
        yield program


def in_session(pid):
    with open(f"/proc/{pid}/maps") as file:
        return "memfd:memray " in file.read()


def capture(memray, path):
    return recording.Recording(str(memray), path, None)


def wait_until(true):
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


def let_it_go_on(pid):
    """Until it has slept ten times more."""

    def sleeps():
        with open(f"/proc/{pid}/status") as status:
            return int(next(line for line in status if line.startswith("voluntary_ctxt_switches")).split()[1])

    before = sleeps()
    wait_until(lambda: sleeps() > before + 10)


def attach_to_child_that_stays(memray, program, child, path):
    """And detach; then it is told to end."""
    attaching.run(memray, "attach", child, "-o", path)
    let_it_go_on(child)
    attaching.run(memray, "detach", child)
    assert counts(capture(memray, path), 50)[0] > 2
    os.kill(child, signal.SIGTERM)
    assert program.tell("wait") == f"ended {child} with 0\n"


def counts(read, size=SIZE):
    """How many blocks of this size were made, and how many of these freed."""
    made = {event["number"] for kind, event in read.events if kind == "ALLOCATION" and event["size"] == size}
    return len(made), sum(kind == "DEALLOCATION" and event["number"] in made for kind, event in read.events)


@pytest.mark.parametrize(
    "options",
    [[], ["--native"], ["--unwinders=fp"], ["--unwinders=none"], ["--on-overrun=drop"], ["--max-capture-size=50MB"], ["--memory-interval=1"], ["--hooks=plt,jemalloc,mimalloc,tcmalloc"]],
    ids=" ".join,
)
def test_every_event_is_there(memray, program, tmp_path, options):
    attaching.run(memray, "attach", program.pid, "-o", tmp_path / "c.bin", *options)
    assert program.tell(f"allocate {COUNT} {SIZE}") == f"made {COUNT} kept {COUNT // 2}\n"
    attaching.run(memray, "detach", program.pid)
    assert program.end() == attaching.RIGHT
    read = capture(memray, tmp_path / "c.bin")
    assert counts(read) == (COUNT, COUNT // 2)
    if "--native" in options or "--unwinders=fp" in options:
        assert any(kind == "LOCATION" and value["function"] == "allocate_counted" for kind, value in read.lines)


def test_aggregate(memray, program, tmp_path):
    attaching.run(memray, "attach", program.pid, "--aggregate", "--native", "-o", tmp_path / "c.bin")
    program.tell(f"allocate {COUNT} {SIZE}")
    attaching.run(memray, "detach", program.pid)
    leaks = capture(memray, tmp_path / "c.bin").summary("--leaks")
    own = [place for place in leaks["locations"] if place["function"] == "allocate_counted"]
    assert [(place["num_allocations"], place["own_bytes"]) for place in own] == [(COUNT // 2, COUNT // 2 * SIZE)]


def test_python_allocators(memray, tmp_path):
    """Objects that are too small for malloc, counted by the interpreter."""
    code = (
        "import sys\nprint('ready', flush=True)\nsys.stdin.readline()\nkept = []\nfor i in range(1000):\n    kept.append(bytes(301))\n"
        "print(sys.getsizeof(kept[0]), flush=True)\nsys.stdin.readline()\n"
    )
    with attaching.Program([sys.executable, "-c", code]) as program:
        attaching.run(memray, "attach", program.pid, "--trace-python-allocators", "-o", tmp_path / "c.bin")
        size = int(program.tell("go"))
        attaching.run(memray, "detach", program.pid)
        program.tell("end")
    read = capture(memray, tmp_path / "c.bin")
    lines = {number: stack[0][:1] + stack[0][2:] for number, stack in read.stacks.items() if stack and stack[0]}
    made = [event for kind, event in read.events if kind == "ALLOCATION" and event["size"] == size and lines.get(event["stack"]) == ("<module>", 6)]
    assert len(made) == 1000
    assert all(event["allocator"].startswith("pymalloc") for event in made)


@pytest.mark.parametrize("version", recording.interpreters())
def test_names_of_python_threads(memray, tmp_path, version):
    """Of threads that were there before, which only `threading` can name, and of one that begins later."""
    code = (
        "import sys, threading\ngo = threading.Event()\ndef work(size):\n    go.wait()\n    bytearray(size)\n"
        "def thread(size, name):\n    made = threading.Thread(target=work, args=[size], name=name)\n    made.start()\n    return made\n"
        "threads = [thread(3_000_000, 'there before, with a long name'), thread(4_000_000, 'also before')]\n"
        "print('ready', flush=True)\nsys.stdin.readline()\nthreads.append(thread(5_000_000, 'begun later'))\ngo.set()\n"
        "for each in threads: each.join()\nprint('done', flush=True)\nsys.stdin.readline()\n"
    )
    with attaching.Program([recording.interpreters()[version], "-c", code]) as program:
        attaching.run(memray, "attach", program.pid, "-o", tmp_path / "c.bin")
        assert program.tell("go") == "done\n"
        attaching.run(memray, "detach", program.pid)
        program.tell("end")
    read = capture(memray, tmp_path / "c.bin")
    names = {event["tid"]: event["name"] for kind, event in read.lines if kind == "THREAD"}
    found = {event["size"] // 1_000_000: names[event["tid"]] for kind, event in read.events if kind == "ALLOCATION" and event["size"] >= 3_000_000}
    assert found == {3: "there before, with a long name", 4: "also before", 5: "begun later"}


def test_followed_children_are_counted_and_left(memray, program, tmp_path):
    """One that ends, one that stays: after detaching it is as if nothing had been there."""
    attaching.run(memray, "attach", program.pid, "--follow-fork", "-o", tmp_path / "c.bin")
    program.tell(f"fork 100 {SIZE + 1}")
    stays = int(program.tell(f"stay 200 {SIZE + 2}").split()[1])
    program.tell(f"allocate 300 {SIZE}")
    attaching.run(memray, "detach", program.pid)
    assert not in_session(program.pid) and not in_session(stays)
    read = capture(memray, tmp_path / "c.bin")
    assert [counts(read, size)[0] for size in (SIZE, SIZE + 1, SIZE + 2)] == [300, 100, 200]
    attach_to_child_that_stays(memray, program, stays, tmp_path / "child.bin")
    assert program.end() == attaching.RIGHT


def test_other_children_give_back_what_they_share(memray, program, tmp_path):
    attaching.run(memray, "attach", program.pid, "-o", tmp_path / "c.bin")
    stays = int(program.tell(f"stay 200 {SIZE + 2}").split()[1])
    wait_until(lambda: not in_session(stays))
    attach_to_child_that_stays(memray, program, stays, tmp_path / "child.bin")
    attaching.run(memray, "detach", program.pid)
    assert program.end() == attaching.RIGHT
    assert counts(capture(memray, tmp_path / "c.bin"), SIZE + 2) == (0, 0)


def test_an_existing_file_is_only_overwritten_by_force(memray, program, tmp_path):
    output = tmp_path / "c.bin"
    output.write_text("mine")
    done = recording.run([memray, "attach", "-o", output, program.pid])
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1 and "exists" in done.stderr
    assert output.read_text() == "mine" and not in_session(program.pid)
    assert attaching.run(memray, "attach", program.pid, "-q", "-f", "-o", output).stdout == ""
    assert attaching.run(memray, "detach", program.pid, "-q").stdout == ""
    assert counts(capture(memray, output)) == (0, 0)


@pytest.mark.parametrize("duration, wrong", [("0.3", False), ("200ms", False), ("0", True), ("-1", True), ("soon", True)])
def test_durations(memray, program, tmp_path, duration, wrong):
    command = [memray, "attach", f"--duration={duration}", "-o", tmp_path / "c.bin", program.pid]
    done = recording.run(command)
    assert done.returncode == (2 if wrong else 0)
    if wrong:
        return
    wait_until(lambda: not in_session(program.pid))
    program.tell(f"allocate 10 {SIZE}")
    assert program.end() == attaching.RIGHT
    wait_until(lambda: "cut short" not in recording.run([memray, "parse", tmp_path / "c.bin"]).stderr)
    assert counts(capture(memray, tmp_path / "c.bin")) == (0, 0)


def test_a_socket_says_how_to_watch(memray, program):
    done = attaching.run(memray, "attach", program.pid, "--sink=socket")
    port = re.search(r"memray live (\d+)'", done.stdout).group(1)
    assert re.search(rf"Recording process {program.pid} into \S+:{port}\n", done.stdout)
    attaching.run(memray, "detach", program.pid)
    assert program.end() == attaching.RIGHT


def begun(memray, program, output):
    """memray attach PID live -o, when something has come."""
    watching = subprocess.Popen([memray, "attach", str(program.pid), "live", "-o", output], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: (output.exists() and output.stat().st_size > 0) or watching.poll() is not None)
    return watching


def test_watched_without_a_terminal_until_interrupted(memray, program, tmp_path):
    watching = begun(memray, program, tmp_path / "c.bin")
    program.tell(f"allocate {COUNT} {SIZE}")
    wait_until(lambda: f"ALLOCATION number={COUNT - 1} " in recording.run([memray, "parse", tmp_path / "c.bin"]).stdout)
    watching.send_signal(signal.SIGINT)
    assert watching.communicate(timeout=60) == ("", "") and watching.returncode == 0
    assert not in_session(program.pid)
    assert program.end() == attaching.RIGHT


def test_watched_until_the_program_ends(memray, program, tmp_path):
    watching = begun(memray, program, tmp_path / "c.bin")
    program.tell(f"allocate {COUNT} {SIZE}")
    assert program.end() == attaching.RIGHT
    assert watching.communicate(timeout=60) == ("", "") and watching.returncode == 0
    assert capture(memray, tmp_path / "c.bin").summary("--leaks")["total_bytes"] >= COUNT // 2 * SIZE


def test_watched_on_a_terminal(memray, program):
    with Terminal([memray, "attach", program.pid, "live"], environment={"TERM": "linux"}) as terminal:
        wait_until(lambda: in_session(program.pid))
        program.tell(f"allocate {COUNT} {SIZE}")
        terminal.wait_for(str(program.pid))
        terminal.type("q")
        assert terminal.wait_for_end() == 0
    assert not in_session(program.pid)
    assert program.end() == attaching.RIGHT


def test_live_needs_a_terminal_or_a_file(memray, program):
    done = recording.run([memray, "attach", program.pid, "live"])
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1 and "-o FILE" in done.stderr
    assert not in_session(program.pid)


@pytest.mark.skipif(not shutil.which("gdb"), reason="gdb is not installed")
def test_by_gdb(memray, program, tmp_path):
    """Twice: the second time everything is loaded already."""
    for output in (tmp_path / "c.bin", tmp_path / "d.bin"):
        attaching.run(memray, "attach", program.pid, "--method=gdb", "--native", "-o", output)
        program.tell(f"allocate {COUNT} {SIZE}")
        attaching.run(memray, "detach", program.pid, "--method=gdb")
        assert not in_session(program.pid)
        assert counts(capture(memray, output)) == (COUNT, COUNT // 2)
    assert program.end() == attaching.RIGHT


def test_gdb_is_missing(memray, program, tmp_path):
    done = recording.run([memray, "attach", program.pid, "--method=gdb", "-o", tmp_path / "c.bin"], env={"PATH": str(tmp_path)})
    assert (done.returncode, done.stderr) == (1, "gdb is not installed; --method=ptrace needs none\n")
    assert not in_session(program.pid)
    assert program.end() == attaching.RIGHT
