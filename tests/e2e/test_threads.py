"""Threads in captures: who made what, and what they are called."""
import json

import pytest

from recording import PYTHON_PROGRAMS, interpreters, record


def threads_by_size(recording):
    """Size of an allocation -> (OS thread id, name) of the thread that made it."""
    threads = {event["tid"]: event for kind, event in recording.lines if kind == "THREAD"}
    return {
        event["size"]: (threads[event["tid"]]["os_tid"], threads[event["tid"]]["name"])
        for kind, event in recording.events
        if kind == "ALLOCATION"
    }


def expected(truth):
    """In UTF-8, names end after 256 bytes."""
    return {int(size): (tid, name.encode()[:256].decode(errors="ignore")) for size, (tid, name) in truth.items()}


def assert_threads_are(recording, truth):
    found = threads_by_size(recording)
    assert {size: found.get(size) for size in truth} == truth


@pytest.mark.parametrize("hooks", ["plt", "preload"])
def test_names_that_the_kernel_knows(memray, programs, tmp_path, hooks):
    recording = record(memray, tmp_path, [programs / "thread_names"], f"--hooks={hooks}")
    truth = expected(recording.truth)
    assert len(truth) == 1008
    cut = "by-prctl-and-to"  # by the kernel; the hook sees all that it was given
    truth = {size: (tid, "by-prctl-and-too-long" if name == cut else name) for size, (tid, name) in truth.items()}
    assert_threads_are(recording, truth)


@pytest.mark.parametrize("version", interpreters())
def test_names_of_python_threads(memray, tmp_path, version):
    recording = record(memray, tmp_path, PYTHON_PROGRAMS / "thread_names.py", "--python", interpreters()[version])
    truth = expected(recording.truth)
    assert len(truth) == 211
    assert_threads_are(recording, truth)


@pytest.mark.parametrize("version", interpreters())
def test_names_go_with_the_thread_that_forks(memray, tmp_path, version):
    child = tmp_path / "child.json"
    command = [interpreters()[version], PYTHON_PROGRAMS / "thread_names.py", child]
    recording = record(memray, tmp_path, command, "--follow-fork")
    truth = expected(json.loads(child.read_text()))
    assert_threads_are(recording, truth)
