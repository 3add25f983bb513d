"""Programs that record themselves through <memray/embed.h>, without having been started by memray."""
import collections
import re
import signal
import time

import pytest

import recording

@pytest.fixture
def embed(memray, build, programs, tmp_path):
    """embed(way, options...): runs the program with output tmp_path/c.bin."""

    def run(way, *options, output="c.bin", code=0, command=memray):
        command = [programs / "embed", build / "lib/memray/libmemray-recorder.so", command, way, tmp_path / output, *options]
        done = recording.run(command, timeout=60)
        assert done.returncode == code, done.stderr
        return done

    return run


class Capture:
    def __init__(self, memray, path):
        wait_until(path.exists)
        lines = []

        def complete():
            done = recording.run([memray, "parse", path])
            lines[:] = [(line.split(" ", 1)[0], recording.fields(line)) for line in done.stdout.splitlines()]
            return "cut short" not in done.stderr and lines

        wait_until(complete)
        self.header = next(value for kind, value in lines if kind == "HEADER")
        self.trailer = next(value for kind, value in lines if kind == "TRAILER")
        self.sizes = collections.Counter(value["size"] for kind, value in lines if kind == "ALLOCATION")
        self.freed = sum(kind == "DEALLOCATION" for kind, _ in lines)
        self.text = [f"{kind} {value}" for kind, value in lines]


def wait_until(true, seconds=60):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_what_is_between_start_and_stop_is_recorded(memray, embed, tmp_path):
    embed("once")
    capture = Capture(memray, tmp_path / "c.bin")
    assert capture.sizes == {2222: 7, 3333: 1}
    assert capture.freed == 7
    assert capture.trailer["unknown_deallocations"] == 0
    assert capture.trailer["ending"] == "was still running when recording stopped"


def test_recordings_follow_each_other(memray, embed, tmp_path):
    embed("twice")
    assert Capture(memray, tmp_path / "c.bin.1").sizes == {1000: 1}
    assert Capture(memray, tmp_path / "c.bin.2").sizes == {2000: 2}


def test_threads_at_work_are_recorded_and_left_alone(memray, embed, tmp_path):
    """Ten recordings of eight threads that never stop allocating; each thread's size is its own."""
    embed("threads", "--native")
    capture = Capture(memray, tmp_path / "c.bin")
    assert capture.sizes[2222] == 7
    assert set(capture.sizes) - {2222} <= set(range(100, 108))
    assert capture.trailer["dropped_events"] == 0
    in_flight = 8
    assert sum(capture.sizes.values()) - capture.freed <= in_flight
    assert capture.trailer["unknown_deallocations"] <= in_flight


def test_threads_may_outlive_their_recording(memray, embed, tmp_path):
    embed("ends_later")
    assert Capture(memray, tmp_path / "c.bin").sizes[1234] == 1


def test_a_forked_child_is_not_recorded_and_may_record_itself(memray, embed, tmp_path):
    embed("forks")
    assert Capture(memray, tmp_path / "c.bin").sizes == {1111: 1, 2222: 1, 3333: 1}
    assert Capture(memray, tmp_path / "c.bin.own").sizes == {6666: 1}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.bin", "c.bin.own"]


def test_each_forked_child_may_have_a_capture_of_its_own(memray, embed, tmp_path):
    embed("forks", "--each")
    assert Capture(memray, tmp_path / "c.bin").sizes == {1111: 1, 2222: 1, 3333: 1}
    child = next(path for path in tmp_path.iterdir() if re.fullmatch(r"c\.bin\.\d+", path.name))
    assert Capture(memray, child).sizes == {5555: 1}
    assert Capture(memray, child).header["pid"] == int(child.suffix[1:])


def test_a_thread_can_be_ignored(memray, embed, tmp_path):
    embed("ignores")
    assert Capture(memray, tmp_path / "c.bin").sizes == {2222: 1}


def test_what_was_flushed_is_there_even_if_the_program_is_killed_next(memray, embed, tmp_path):
    embed("flushes", code=-signal.SIGKILL)
    assert Capture(memray, tmp_path / "c.bin").sizes == {1111: 1}


@pytest.mark.parametrize(
    "way, code, ending",
    [("exits", 7, "exited with status 7"), ("aborts", -signal.SIGABRT, "killed by SIGABRT"), ("execs", 0, "replaced itself")],
)
def test_nothing_is_lost_when_the_program_ends_without_a_stop(memray, embed, tmp_path, way, code, ending):
    embed(way, code=code)
    capture = Capture(memray, tmp_path / "c.bin")
    assert capture.sizes == {1111: 1}
    # Before Linux 6.15 nobody but its parent can be sure to learn how a process ended.
    assert re.match(f"{ending}|ended, in a way", capture.trailer["ending"])


def test_facts_and_the_peak(memray, embed, tmp_path):
    embed("describes")
    text = "\n".join(Capture(memray, tmp_path / "c.bin").text)
    assert "vanilla" in text
    assert "peak_reset_ns" in text


def test_nothing_is_left_in_the_process(embed):
    assert embed("nothing_left").stdout.split() == ["0", "1", "0", "0"]


def test_a_recording_that_is_not_started_leaves_no_file(embed, tmp_path):
    embed("opens")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "options, message",
    [
        ({"output": "missing/c.bin"}, r"open: could not create output file .*missing/c.bin: No such file or directory"),
        ({"options": ["--hooks=preload"]}, r"open: the hooks 'preload' work only in a program that memray starts; use plt"),
        ({"options": ["--unwinders=nonsense"]}, r"open: there is no unwinder plugin 'nonsense'"),
    ],
)
def test_what_cannot_be_is_said_before_the_program_goes_on(embed, options, message):
    done = embed("once", *options.get("options", []), output=options.get("output", "c.bin"), code=3)
    assert re.match(message, done.stderr), done.stderr


PYTHON = """
import ctypes, os, sys, threading, time

recorder, command, output = sys.argv[1:]
library = ctypes.CDLL(recorder)
class Options(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint32), ("flags", ctypes.c_uint32), ("command", ctypes.c_char_p), ("arguments", ctypes.POINTER(ctypes.c_char_p))]
class Embed(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint32), ("reserved", ctypes.c_uint32)] + [(name, ctypes.c_void_p) for name in ("open", "start", "stop")]
embed = Embed.in_dll(library, "memray_embed")
why = ctypes.create_string_buffer(512)
def call(function, *arguments):
    kinds = [ctypes.c_void_p] * len(arguments) + [ctypes.c_char_p, ctypes.c_size_t]
    assert ctypes.CFUNCTYPE(ctypes.c_int, *kinds)(function)(*arguments, why, 512) == 0, why.value

go = threading.Event()
def inner():
    go.wait()
    return bytearray(3_000_000)
def outer():
    blocks.append(inner())
blocks = []
thread = threading.Thread(target=outer)
thread.start()

words = (ctypes.c_char_p * 3)(b"-o", output.encode(), None)
options = Options(ctypes.sizeof(Options), 0, command.encode(), words)
call(embed.open, ctypes.addressof(options))
call(embed.start)
go.set()
thread.join()
call(embed.stop)
"""


@pytest.mark.parametrize("version", sorted(recording.interpreters()))
def test_python_threads_that_were_running_have_whole_stacks(memray, build, tmp_path, version):
    path = tmp_path / "c.bin"
    recorder = build / "lib/memray/libmemray-recorder.so"
    done = recording.run([recording.interpreters()[version], "-c", PYTHON, recorder, memray, path])
    assert done.returncode == 0, done.stderr
    capture = recording.Recording(str(memray), path, done)
    stacks = [capture.stacks[event["stack"]] for kind, event in capture.events if kind == "ALLOCATION" and event["size"] > 3_000_000]
    assert len(stacks) == 1
    functions = [frame[0] for frame in stacks[0]]
    assert functions[:3] == ["inner", "outer", "run"]
    assert functions[-1] in ("_bootstrap", "run", "_bootstrap_inner")
    assert dict(capture.lines)["HEADER"]["python_version"] == version


def test_a_command_of_another_build_is_refused(memray, embed, tmp_path):
    """The recorder and the command agree on the shared memory, or say that they do not; nobody waits for the other."""
    other = tmp_path / "memray"
    other.write_text(f'#!/bin/sh\nfor word; do shift; case "$word" in --session-version=*) word=--session-version=1;; esac; set -- "$@" "$word"; done\nexec {memray} "$@"\n')
    other.chmod(0o755)
    done = embed("once", command=other, code=3)
    assert "are of different builds" in done.stderr
    assert not (tmp_path / "c.bin").exists()
