"""memray live and run --live: what is on the screen, against what the program says it has."""
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

import attaching
from recording import run
from step_program import Program
from terminal import Terminal

# pyte knows neither how to repeat a character nor how to scroll a part of the screen, which xterm does
SCREEN = {"TERM": "linux"}


def command_line(process):
    try:
        return (process / "cmdline").read_text()
    except OSError:
        return ""


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def row(text, function):
    """Total, own, allocations of a function on the screen, as it writes them."""
    for line in text.splitlines():
        words = line.split()
        if len(words) > 5 and words[0] == function:  # the screen is read while it is being drawn
            return words[1], words[3], words[5]
    return None


def has(function, total):
    return lambda text: (row(text, function) or ("",))[0] == total


def test_native_functions_have_names_while_it_runs(memray, programs, tmp_path):
    """On the screen, and in what is kept of the stream."""
    with attaching.Program([programs / "attached", "counted"], ends_by_input=True) as program:
        served = run([memray, "attach", program.pid, "--native", "--sink=socket"])
        port = served.stdout.split("memray live ")[1].split("'")[0]
        kept = subprocess.Popen([memray, "live", "-o", tmp_path / "c.bin", port])
        with Terminal([memray, "live", port], environment=SCREEN) as terminal:
            assert program.tell("allocate 1000 70002") == "made 1000 kept 500\n"
            terminal.wait_for(has("allocate_counted", "35.001MB"))
            wait_until(lambda: 'function="allocate_counted"' in run([memray, "parse", tmp_path / "c.bin"]).stdout)
            assert program.process.poll() is None
            assert program.end() == attaching.RIGHT
            terminal.wait_for("remote disconnected")
        assert kept.wait(timeout=60) == 0
    lines = run([memray, "parse", tmp_path / "c.bin"]).stdout.splitlines()
    named = [line for line in lines if line.startswith("LOCATION ")]
    assert any('function="main"' in line for line in named) and len(named) == len(set(named))


def test_what_it_shows(memray, tmp_path):
    with Program(memray, tmp_path) as program, \
            Terminal([memray, "live", program.port], environment=SCREEN) as terminal:
        text = terminal.wait_for(has("early", "3.000MB"))
        assert all(len(line) <= 80 for line in text.splitlines())
        assert "PID " in text and "steps.py" in text.splitlines()[0] and "All threads" in text
        assert "Live now" in text and has("in_thread", "1.000MB")(text)
        assert row(text, "early")[1:] == ("3.000MB", "1") and row(text, "<module>")[1] != "3.000MB"

        terminal.type("o")
        terminal.wait_for(lambda text: "▼Own" in text and text.find("early") < text.find("<module>"))
        terminal.type("a")
        terminal.wait_for("▼Allocs")
        terminal.type("t")
        terminal.wait_for("▼Total")

        program.step()
        terminal.wait_for(has("late", "5.000MB"))
        program.step()
        terminal.wait_for(lambda text: not row(text, "late"))
        terminal.type("v")
        terminal.wait_for(lambda text: "Live at the peak" in text and has("late", "5.000MB")(text))
        terminal.type("v")
        terminal.wait_for("Leaked, made before")
        terminal.type("v")
        terminal.wait_for("Live now")
        assert "remote disconnected" not in terminal.text
        assert program.end() == 3
        terminal.wait_for("remote disconnected")
        terminal.type("q")
        assert terminal.wait_for_end() == 0


def test_threads_filter_and_pause(memray, tmp_path):
    with Program(memray, tmp_path) as program, \
            Terminal([memray, "live", program.port], environment=SCREEN) as terminal:
        terminal.wait_for(has("early", "3.000MB"))
        main_has, helper_has = "early", "in_thread"
        terminal.type("m")
        text = terminal.wait_for("Thread 1 of 2 (")
        if "(helper)" in text:
            terminal.type(">")
        terminal.wait_for(lambda text: "(MainThread)" in text and row(text, main_has) and not row(text, helper_has))
        terminal.type(">")
        terminal.wait_for(lambda text: "(helper)" in text and row(text, helper_has) and not row(text, main_has))
        terminal.type("<")
        terminal.wait_for(lambda text: "(MainThread)" in text and row(text, main_has) and not row(text, helper_has))
        terminal.type("m")
        terminal.wait_for("All threads")

        terminal.type("/STEPS.py\r")
        terminal.wait_for(lambda text: "filter: STEPS.py" in text and row(text, "early") and not row(text, "run"))
        terminal.type("/nowhere\r")
        terminal.wait_for("Nothing matches 'nowhere'.")
        terminal.type("/\r")
        terminal.wait_for(lambda text: row(text, "run"))

        terminal.type(" ")
        terminal.wait_for("updates paused")
        program.step()
        terminal.wait_for(lambda text: "max 9." in text)  # the figures go on
        assert not row(terminal.text, "late")
        terminal.type(" ")
        terminal.wait_for(has("late", "5.000MB"))
        terminal.resize(130, 40)
        terminal.wait_for(lambda text: max(map(len, text.splitlines())) > 80 and f"{tmp_path}/steps.py" in text)
        terminal.type("?")
        terminal.wait_for("Any key goes on")
        terminal.type("x")
        terminal.wait_for("Live now")
        terminal.type("\x1b")
        assert terminal.wait_for_end() == 0


def test_save(memray, tmp_path):
    with Program(memray, tmp_path) as program, \
            Terminal([memray, "live", "-o", tmp_path / "stream.bin", program.port], environment=SCREEN) as terminal:
        program.step()
        terminal.wait_for(has("late", "5.000MB"))
        terminal.type("s")
        terminal.wait_for("Save as")
        terminal.type(f"{tmp_path}/now.bin\r")
        terminal.wait_for("Saved")
        terminal.type("s")
        terminal.wait_for("Save as")
        terminal.type(f"{tmp_path}/now.bin\r")
        terminal.wait_for("exists")
        program.end()
        terminal.wait_for("remote disconnected")
        terminal.type("q")
        assert terminal.wait_for_end() == 0
    for name in "now.bin", "stream.bin":
        report = json.loads(run([memray, "summary", "--json", tmp_path / name]).stdout)
        own = {entry["function"]: entry["own_bytes"] for entry in report["locations"]}
        assert own["early"] // 1000 == 3000 and own["late"] // 1000 == 5000 and own["in_thread"] // 1000 == 1000


def test_back_in_time(memray, tmp_path):
    script = tmp_path / "grows.py"
    script.write_text('''
import sys, time
def add():
    kept.append(bytearray(1_000_000))
kept = []
until = time.monotonic() + 3.5
while time.monotonic() < until:
    add()
    time.sleep(0.05)
''')
    with Terminal([memray, "run", "--live", script], environment=SCREEN) as terminal:
        terminal.wait_for(lambda text: "remote disconnected" in text and "Nothing is there." in text)
        sizes = ["nothing"]
        for _ in range(3):
            terminal.type("[")
            text = terminal.wait_for(lambda text: "Live at " in text and row(text, "add")
                                     and row(text, "add")[0] != sizes[-1])
            sizes.append(row(text, "add")[0])
        bytes_then = [float(size.removesuffix("MB")) for size in sizes[1:]]
        assert bytes_then[0] > bytes_then[1] > bytes_then[2]
        terminal.type("]")
        terminal.wait_for(has("add", sizes[2]))
        terminal.type("n")
        terminal.wait_for("Nothing is there.")
        terminal.type("vv")  # what it had when it exited
        text = terminal.wait_for(lambda text: "Leaked" in text and row(text, "add"))
        assert float(row(text, "add")[0].removesuffix("MB")) >= bytes_then[0]
        terminal.type("q")
        assert terminal.wait_for_end() == 0


@pytest.mark.parametrize("how", ["q", signal.SIGTERM, signal.SIGKILL])
def test_run_live_ends_the_program(memray, tmp_path, how):
    script = tmp_path / "waits.py"
    script.write_text("import os, pathlib, time\npathlib.Path('pid').write_text(str(os.getpid()))\ntime.sleep(1000)\n")
    with Terminal(["env", "-C", tmp_path, memray, "run", "--live", script], environment=SCREEN) as terminal:
        terminal.wait_for("waits.py")
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            terminal.read(0.05)
        pid = int((tmp_path / "pid").read_text())
        if how == "q":
            terminal.type("q")
            assert terminal.wait_for_end() == 0
        else:
            os.kill(terminal.pid, how)
            terminal.wait_for_end()
    for name in Path("/proc").glob("[0-9]*"):  # what records it may take a moment to see that it is alone
        wait_until(lambda: str(script) not in command_line(name))
    assert not Path(f"/proc/{pid}").exists()


def test_run_live_of_what_fails(memray, tmp_path):
    script = tmp_path / "fails.py"
    script.write_text("import sys\nsys.stderr.write('it went wrong\\n')\nsys.exit(5)\n")
    with Terminal([memray, "run", "--live", script], environment=SCREEN) as terminal:
        terminal.wait_for("remote disconnected")
        terminal.type("q")
        assert terminal.wait_for_end() == 5
        assert "it went wrong" in terminal.text
    with Terminal([memray, "run", "--live", tmp_path / "missing.py"], environment=SCREEN) as terminal:
        assert terminal.wait_for_end() == 1
        assert "missing.py" in terminal.text.replace("\n", "")


def test_keys_from_a_pipe(memray, tmp_path):
    with Program(memray, tmp_path) as program:
        command = f"(sleep 1; printf q) | {memray} live {program.port}"
        with Terminal(["sh", "-c", command], environment=SCREEN) as terminal:
            assert terminal.wait_for_end() == 0
        # when the pipe ends, the view goes on
        with Terminal(["sh", "-c", f"exec {memray} live {program.port} < /dev/null"], environment=SCREEN) as terminal:
            terminal.wait_for(has("early", "3.000MB"))
            program.step()
            terminal.wait_for(has("late", "5.000MB"))
            os.kill(terminal.pid, signal.SIGTERM)
            terminal.wait_for_end()


def test_suspended(memray, tmp_path):
    with Program(memray, tmp_path) as program, \
            Terminal(["sh", "-mc", f"{memray} live {program.port}; echo back; read x; fg; echo over"],
                     environment=SCREEN) as terminal:
        terminal.wait_for(has("early", "3.000MB"))
        terminal.type("\x1a")
        terminal.wait_for("back")
        terminal.type("\r")
        terminal.wait_for(lambda text: "back" not in text and has("early", "3.000MB")(text))
        terminal.type("q")
        terminal.wait_for("over")


def test_only_what_changed_is_drawn(memray, tmp_path):
    with Program(memray, tmp_path) as program, \
            Terminal([memray, "live", program.port], environment=SCREEN) as terminal:
        terminal.wait_for(has("early", "3.000MB"))
        sent = []
        feed = terminal.stream.feed
        terminal.stream.feed = lambda data: (sent.append(len(data)), feed(data))

        def sent_for_a_key():
            sent.clear()
            terminal.type(" ")
            terminal.wait_for("updates paused")
            size = sum(sent)
            terminal.type(" ")
            terminal.wait_for(lambda text: "updates paused" not in text)
            return size

        # A screen is four times as much. What else changed within the same second comes with a key, so of several.
        assert 0 < min(sent_for_a_key() for _ in range(10)) < 500


@pytest.mark.parametrize("stopped_by", ["", "q"])
def test_without_a_terminal(memray, tmp_path, stopped_by):
    (tmp_path / "s.py").write_text("import sys\nx = bytearray(7_000_000)\nprint('held', flush=True)\nsys.stdin.read()\n")
    program = subprocess.Popen(
        [memray, "run", "--live-remote", "s.py"], cwd=tmp_path, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    port = program.stdout.readline().split("live ")[1].split("'")[0]
    client = subprocess.Popen([memray, "live", port], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    while program.stdout.readline() != "held\n":
        pass
    if stopped_by:
        out, _ = client.communicate(stopped_by, timeout=60)
        program.communicate("", timeout=60)
    else:
        program.communicate("", timeout=60)
        out, _ = client.communicate(timeout=60)
        assert "0B live, 7.0" in out
    assert (client.returncode, program.returncode) == (0, 0)


def test_refusals(memray, tmp_path):
    def fails(code, *arguments):
        ended = subprocess.run([memray, *arguments], capture_output=True, text=True, cwd=tmp_path)
        assert ended.returncode == code
        return ended.stderr

    assert fails(1, "live", "70000") == "Invalid port: 70000 is not between 1 and 65535\n"
    assert "is no address" in fails(2, "live", "nonsense")
    assert "address" in fails(2, "live")
    assert "--live writes no file" in fails(2, "run", "--live", "-o", "x.bin", "script.py")
    assert "--live shows single events" in fails(2, "run", "--live", "--aggregate", "script.py")
    assert "choose one of them" in fails(2, "run", "--live", "--live-remote", "script.py")
    (tmp_path / "s.py").write_text("")
    assert "a terminal" in fails(1, "run", "--live", "s.py")
